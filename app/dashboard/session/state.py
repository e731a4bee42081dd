"""What a browser session remembers, and what its address says."""

import uuid
from collections.abc import Collection, Hashable, Sequence

import streamlit as st

from app.worker.job import Job


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
            st.session_state.get("picks", {}).pop("beside", None)
        st.query_params["run"] = run
    st.session_state["run"] = run


def choose_run(known: Collection[str], afresh: bool, chosen: str | None) -> None:
    """Takes the run that a person chose; `afresh` with nothing of the address as it was.

    A browser that has not yet heard how runs are called now says what one was called before, which chooses nothing.
    """
    if chosen is not None and chosen in known:
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
        st.session_state.pop("picks", None)


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
