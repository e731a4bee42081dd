"""Parts that every page shows: the run picker, choices that are in the address, failures in words, charts."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.dashboard import reads, state
from app.example import shipped
from app.figures.charts import Chart, darken
from app.foreign import plain
from app.words import legend, uncached
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.errors import QuorumError
from core.records.events import Measured
from core.records.results import RunResult
from core.records.spec import ModelInfo


def stored_runs(database: Database) -> list[StoredRun]:
    """All runs, the newest first; the killed ones are told from those that go on."""
    return [queries.settled(database, run) for run in reads.runs(database)]


def show_error(error: QuorumError) -> None:
    """An expected failure in words, with the next step."""
    show_failure(error.message, error.hint)


def show_failure(message: str, hint: str) -> None:
    """What went wrong, and the next step."""
    st.error(f"**{plain(message)}**\n\n{plain(hint)}", icon="⚠️")


def pick_run(database: Database) -> StoredRun | None:
    """The run of the address, of the session, or the newest with contributions; a select box changes it.

    Says what to do, and returns None, where there is none.
    """
    usable = [run for run in stored_runs(database) if run.result is not None]
    asked = state.run_in_address()
    names = [run.run for run in usable]
    if asked is not None and asked not in names:
        known = ", ".join(names) or "none yet"
        show_failure(f"There is no run {asked} with contributions here.", f"Runs that can be shown: {known}.")
    if not usable:
        st.info("No run has contributions yet. They appear here while the first run goes on: see the page Runs.")
        return None
    wanted = asked if asked in names else state.remembered_run()
    label = {
        run.run: f"{run.run} · {run.spec.model} · {run.spec.corpus} · {run.spec.masks} masks · {shipped.status(run)}"
        for run in usable
    }
    # Names, not runs: Streamlit compares and copies what it lets choose from.
    name = st.selectbox(
        "Run", names, index=names.index(wanted) if wanted in names else 0, format_func=label.__getitem__
    )
    chosen = usable[names.index(name)]
    if asked is None or asked in names:  # an unknown run stays in the address, and its error on the page
        state.remember_run(chosen.run)
    if chosen.result is not None and (words := legend(chosen.result.model.players)):
        st.caption(words)
    return chosen


def pick(name: str, label: str, known: Sequence[str], say: Callable[[str], str] = str, *, row: bool = False) -> str:
    """A select box, or a row of buttons, whose choice is in the address as ?name=...; the first is the default.

    A click on a chart is its twin (`show_chart`).
    What the address asks for and is not known is named as an error, with what there is.
    """
    unknown = state.settle(name, known, known[0])
    if unknown is not None:
        show_failure(f"There is no {label.lower()} {unknown}.", f"There are: {', '.join(known)}.")
    if row:
        chosen = st.segmented_control(
            label, known, format_func=say, key=name, on_change=state.chose, args=(name,), required=True
        )
        assert chosen is not None  # the session holds one
        return chosen
    return st.selectbox(label, known, format_func=say, key=name, on_change=state.chose, args=(name,))


def show_chart(chart: Chart, key: str, picks: str | None = None) -> None:
    """A chart in the page's theme, with its description for screen readers.

    A click on a point chooses for the select box `picks`, by the point's first custom datum.
    """
    if st.context.theme.type != "dark":
        darken(chart.figure)
    st.plotly_chart(
        chart.figure,
        key=key,
        alt=chart.alt,
        on_select=partial(state.clicked, key, picks) if picks else "ignore",
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}},
    )


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
