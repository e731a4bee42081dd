"""Parts that every page shows: the run on show, choices that are in the address, failures in words, charts."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import eq

import streamlit as st

from app.dashboard import navigation, reads
from app.dashboard.session import state, widgets
from app.figures.charts import Chart, darken
from app.foreign import code, plain
from app.words import called, legend, uncached
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.errors import QuorumError
from core.records.events import Measured
from core.records.results import RunResult
from core.records.spec import ModelInfo

_LONGEST = 60  # letters that are told of a name that is none
_MOST_LINKS = 20


def stored_runs(database: Database) -> list[StoredRun]:
    """All runs, the newest first; the killed ones are told from those that go on."""
    return [queries.settled(database, run) for run in reads.runs(database)]


def show_error(error: QuorumError) -> None:
    """An expected failure in words, with the next step."""
    show_failure(error.message, error.hint)


def show_failure(message: str, hint: str) -> None:
    """What went wrong, and the next step."""
    st.error(f"**{plain(message)}**\n\n{plain(hint)}", icon="⚠️")


def described(run: StoredRun) -> str:
    """A run in a line of its own: its name, if it has one, its model, its text, how many coalitions, and its id."""
    name = f"{run.label.name} · " if run.label.name else ""
    return f"{name}{called(run.spec.model)} · {called(run.spec.corpus)} · {run.spec.masks:,} coalitions · {run.run}"


def run_on_show(runs: Sequence[StoredRun]) -> StoredRun | None:
    """The run of the address or the first of its comparison, of the session, or the newest, with contributions if any.

    None where there is no run, or none that the address names.
    """
    named, asked = {run.run: run for run in runs}, state.run_in_address()
    if asked is not None:
        return named.get(asked)
    if compared := [name for name in state.compared_in_address() if name in named]:
        return named[compared[0]]
    kept = [run for run in runs if not run.label.archived] or runs
    newest = next((run for run in kept if run.findings is not None), kept[0] if kept else None)
    return named.get(state.remembered_run() or "", newest)


def check_address(runs: Sequence[StoredRun], page: st.Page) -> None:
    """Ends the page, with links to what there is, where its address names a run that there is not.

    Nothing else that such an address asks for is applied to another run.
    """
    asked, run, known = state.run_in_address(), run_on_show(runs), {each.run for each in runs}
    compared = state.compared_in_address() if page.url_path == "" else ()
    unknown = [name for name in compared if name not in known]
    if asked is not None and run is None:
        missing, links = asked, {described(each): {"run": each.run} for each in runs}
    elif run is not None and unknown:
        missing, links = unknown[0], {f"{described(run)}, beside no other run": {"run": run.run}}
        if there := [name for name in compared if name in known and name != run.run]:
            links["Beside those of the address that there are"] = {"run": run.run, "compare": ",".join(there)}
        others = [each for each in runs if each.findings is not None and each is not run]
        links |= {f"Beside {described(each)}": {"run": run.run, "compare": each.run} for each in others}
    else:
        return
    st.title(page.title)
    shown = missing if len(missing) <= _LONGEST else f"{missing[:_LONGEST]}…"
    what = f"There is no run {shown} here." if shown.strip() else "The address names a run, and says none."
    show_failure(what, "Nothing that this address asks for is shown." + (" These runs there are:" if links else ""))
    for label, address in list(links.items())[:_MOST_LINKS]:
        st.page_link(page, label=plain(label), icon=page.icon, query_params=address)
    if not links:
        st.page_link(navigation.runs(), label="Start the first run", icon=":material/play_circle:")
    st.stop()


def pick_run(database: Database) -> StoredRun | None:
    """The run on show, which the sidebar lets choose. Says what to do, and returns None, where it shows nothing yet."""
    chosen = run_on_show(stored_runs(database))
    if chosen is None:
        st.info("No run has contributions yet. They appear here while the first run goes on: see the page Runs.")
        return None
    state.remember_run(chosen.run)
    if chosen.result is None:
        what = f"Run {code(chosen.run)} has no contributions yet"
        if chosen.status == "running":
            st.info(f"{what}. They appear here while it goes on.")
        else:
            st.warning(f"{what}: it is {plain(chosen.status)}. Resume it on the page Runs, or choose another one.")
        return None
    if words := legend(chosen.result.model.players):
        st.caption(words)
    return chosen


def pick(name: str, label: str, known: Sequence[str], say: Callable[[str], str] = str, *, row: bool = False) -> str:
    """A select box, or a row of buttons, whose choice is in the address as ?name=...; the first is the default.

    A click on a chart is its twin (`show_chart`).
    What the address asks for and is not known is named as an error, with what there is.
    """
    unknown = widgets.settle(name, known, known[0])
    if unknown is not None:
        show_failure(f"There is no {label.lower()} {unknown}.", f"There are: {', '.join(known)}.")
    found = widgets.picked(name)
    key = widgets.key_showing(name, partial(eq, found), say(found))

    def take(value: str) -> None:
        if value in known:  # and not the label that one of them had before
            widgets.choose(name, value)

    if row:
        st.segmented_control(
            label, known, format_func=say, default=found, key=key, on_change=widgets.heed(key, take), required=True
        )
    else:
        st.selectbox(label, known, known.index(found), say, key=key, on_change=widgets.heed(key, take))
    return found


def choosing(name: str) -> Callable[[str], None]:
    """What makes a click on a chart the twin of the choice `name` (`pick`)."""
    return partial(widgets.choose, name)


def show_chart(chart: Chart, key: str, take: Callable[[str], None] | None = None) -> None:
    """A chart in the page's theme, with its description for screen readers.

    A click on a point is handed to `take`, by the point's first custom datum.
    """
    if st.context.theme.type != "dark":
        darken(chart.figure)
    st.plotly_chart(
        chart.figure,
        key=key,
        alt=chart.alt,
        on_select=partial(widgets.clicked, key, take) if take else "ignore",
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": key}},
    )
    if chart.note:
        st.caption(plain(chart.note))


def all_compare(found: Sequence[Measured], result: RunResult) -> bool:
    """Whether measurements are of a run's model, on its text; says so where one is not."""
    asked = result.protocol, result.model.fingerprint
    every = all((measured.protocol, measured.model.fingerprint) == asked for measured in found)
    if not every:
        st.warning("The model or the text has changed since the run, so that what is measured now does not compare.")
    return every


def show_uncached(model: ModelInfo, removed: Sequence[int]) -> None:
    """Says where a hybrid would lose its last layer of attention."""
    if lost := uncached(model, removed):
        st.warning(lost)
