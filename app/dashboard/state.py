"""What a browser session remembers, and what its address says: nothing else touches session_state or query_params."""

import uuid
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import streamlit as st

from app.worker.job import Job
from core.errors import QuorumError


def session() -> str:
    """This session's name: its newest preview request replaces its earlier one, and nobody else's."""
    return str(st.session_state.setdefault("session", uuid.uuid4().hex))


def run_in_address() -> str | None:
    """The run that the address names (?run=ab12cd34), whether it exists or not."""
    return st.query_params.get("run")


def remember_run(run: str) -> None:
    """Puts the run into the address, so that the page can be sent to a colleague."""
    if st.query_params.get("run") != run:
        if "run" in st.query_params:
            for name in ("remove", "removed", "k", "refit", "layer", "pair", "beside"):
                st.query_params.pop(name, None)  # it was the other run's
            st.session_state.pop("beside", None)
        st.query_params["run"] = run
    st.session_state["run"] = run


def chose_run(name: str, known: Collection[str], afresh: bool) -> None:
    """Takes the run that was chosen with the widget `name`; `afresh` with nothing of the address as it was.

    A browser that has not yet heard how runs are called now says what one was called before, which chooses nothing.
    """
    chosen = st.session_state[name]
    if chosen in known:
        if afresh:
            st.query_params.clear()
        remember_run(chosen)


def remembered_run() -> str | None:
    """The run that this session looked at last, on any page."""
    return st.session_state.get("run")


def refit(run: str) -> str | None:
    """How many coalitions a run's estimates are to rest on: by the address (?refit=341), or else by this session."""
    asked: str | None = st.query_params.get("refit")
    return asked if asked is not None else st.session_state.get("refits", {}).get(run)


def remember_refit(run: str, coalitions: int | None) -> None:
    """Puts a refit into the address and the session, or None for the run's own coalitions."""
    refits = st.session_state.setdefault("refits", {})
    if coalitions is None:
        refits.pop(run, None)
        st.query_params.pop("refit", None)
    else:
        refits[run] = str(coalitions)
        if st.query_params.get("refit") != str(coalitions):
            st.query_params["refit"] = str(coalitions)


def compared_in_address() -> tuple[str, ...]:
    """The runs that the address compares (?run=ab12cd34&compare=ef56ab78,…), whether they exist or not."""
    asked = st.query_params.get("compare")
    return () if asked is None else tuple(dict.fromkeys(name.strip() for name in asked.split(",")))


def remember_compared(run: str, others: Sequence[str]) -> None:
    """Puts a run's comparison with others into the address; with none, drops it from there."""
    if not others:
        st.query_params.pop("compare", None)
    elif (asked := ",".join(others)) != st.query_params.get("compare"):
        remember_run(run)
        st.query_params["compare"] = asked


def forget_run(run: str) -> None:
    """Drops a deleted run from the address and from the session."""
    if run in (st.query_params.get("run"), *compared_in_address()):
        st.query_params.clear()
    if st.session_state.get("run") == run:
        del st.session_state["run"]


def settle(name: str, known: Sequence[str], default: str) -> str | None:
    """Gives the widget `name` its value: the one it has, that of the address (?name=...), or the default.

    Returns what the address asks for where that is not known; it stays in the address until something is chosen.
    """
    asked = st.query_params.get(name)
    if st.session_state.get(name) not in known:
        st.session_state[name] = asked if asked in known else default
    return asked if asked not in (None, *known) else None


def settle_several(name: str, known: Collection[str], asked: Sequence[str]) -> None:
    """Gives the widget `name` its values: those it has, or else those `asked` for, as far as they are known."""
    st.session_state[name] = [value for value in st.session_state.get(name, asked) if value in known]


def chose(name: str) -> None:
    """Puts what the user chose with the widget `name` into the address, so that it can be sent to a colleague."""
    st.query_params[name] = st.session_state[name]


def choose(name: str, value: str) -> None:
    """Chooses for the widget `name`, which is drawn next."""
    st.session_state[name] = value
    chose(name)


def keep(*prefixes: str) -> None:
    """Keeps the values of widgets, by how their keys begin, which the page does not draw now and may draw again."""
    for key in list(st.session_state):
        if str(key).startswith(prefixes):
            st.session_state[key] = st.session_state[key]


def clicked(chart: str, take: Callable[[str], None]) -> None:
    """Takes a click on a chart as a choice: the first custom datum of the point that was clicked."""
    points = st.session_state[chart]["selection"]["points"]
    if points and points[0].get("customdata"):
        take(str(points[0]["customdata"][0]))


def removal(run: str, back: int = 0) -> tuple[int, ...] | None:
    """The layers that this session has switched off in a run, `back` changes ago, if it has begun to."""
    history = st.session_state.get("removals", {}).get(run, ())
    return history[-1 - back] if len(history) > back else None


def remove(run: str, layers: Sequence[int]) -> None:
    """Switches off exactly these layers, whatever the address says so far; `undo_removal` goes back."""
    history = st.session_state.setdefault("removals", {}).setdefault(run, [])
    if history[-1:] != [tuple(sorted(layers))]:
        history.append(tuple(sorted(layers)))
    st.session_state["removal-read"] = True


def undo_removal(run: str) -> None:
    """Takes back the last change, if there was one."""
    if removal(run, back=1) is not None:
        st.session_state["removals"][run].pop()


def enter(page: str) -> None:
    """Tells that this page is drawn: what the address says when it is entered wins over what the session remembers.

    Afterwards the session leads and the address follows, late: what a browser sends may be what it said before.
    """
    if st.session_state.get("page") != page:
        st.session_state["page"], st.session_state["removal-read"] = page, False


def is_removal_asked() -> bool:
    """Whether the address of a page that was just entered switches layers off."""
    asked = removal_in_address() is not None or count_in_address() is not None
    return asked and not st.session_state.get("removal-read")


def removal_in_address() -> str | None:
    """The layers that the address switches off (?remove=3,7), as they are written there."""
    return st.query_params.get("remove")


def count_in_address() -> str | None:
    """How many layers the address switches off (?k=6), as it is written there."""
    return st.query_params.get("k")


def show_removal(names: str) -> None:
    """Puts the layers that are switched off into the address, in the place of their number."""
    if st.query_params.get("remove") != names:
        st.query_params["remove"] = names
    st.query_params.pop("k", None)
    st.session_state["removal-read"] = True


def begin(key: str, value: object, *, asked: bool = False) -> None:
    """What a widget shows before anybody has set it: a value or, if it is `asked`, the address's (?key=...)."""
    st.session_state.setdefault(key, st.query_params.get(key, value) if asked else value)


def set_widget(key: str, value: object) -> None:
    """What a widget shows when it is drawn next."""
    st.session_state[key] = value


def widget(key: str) -> Any:
    """What a widget was set to."""
    return st.session_state[key]


def tell(name: str, error: QuorumError) -> None:
    """Keeps what went wrong before the page was drawn, for the place where it is to be said."""
    st.session_state[f"told-{name}"] = error


def told(name: str) -> QuorumError | None:
    """What went wrong there, once."""
    error: QuorumError | None = st.session_state.pop(f"told-{name}", None)
    return error


def remember_job(name: str, job: Job) -> None:
    """The last request of a kind that this session made."""
    st.session_state[f"job-{name}"] = job


def forget_job(name: str) -> None:
    st.session_state.pop(f"job-{name}", None)


def remembered_job(name: str) -> Job | None:
    return st.session_state.get(f"job-{name}")


def remember_jobs(name: str, of: Hashable, asked: list[Job]) -> None:
    """The requests of a kind that this session made together last, and what they are of."""
    st.session_state[f"jobs-{name}"] = of, asked


def remembered_jobs(name: str, of: Hashable) -> list[Job]:
    """These requests, if the session's last ones were of this."""
    last, asked = st.session_state.get(f"jobs-{name}", (None, []))
    return list(asked) if last == of else []


def presenting() -> bool:
    """Whether the address asks for a page to be shown to a room (?present=1)."""
    return bool(st.query_params.get("present") == "1")


def present(on: bool) -> None:
    """Asks for it, or no longer."""
    if on:
        st.query_params["present"] = "1"
    else:
        st.query_params.pop("present", None)
