"""Choose how many layers go, by eye: a slider, the perplexity predicted and measured, and what the model writes."""

import streamlit as st

from app.dashboard import estimated, navigation, parts, reads
from app.dashboard.refitting import offered
from app.dashboard.tables import plan_table
from app.foreign import plain
from app.preview.controls import Sets, best, current, ranked, show_controls, usual
from app.preview.readings import perplexities, show_curve, show_readings
from app.preview.search_panel import show_rivals, show_search
from app.preview.writing_panel import show_continuations
from app.words import named
from app.worker import client
from cache.queries import StoredRun
from core.errors import SelectionError
from core.records.plans import Selection
from core.records.results import RunResult

FIRST = {"search": "best plans found by the search", "contribution": "least contribution first (the paper's ranking)"}
shared = client.shared()

st.title("How many layers can go?")
chosen = parts.pick_run(shared.database)


def sets_of(result: RunResult, found: Selection | None) -> Sets:
    """What the slider goes through: for each number of removed layers, which ones."""
    if found is None:
        st.caption("Layers go by least contribution first (the paper's ranking), until a search has found better sets.")
        return ranked(result)
    how = parts.pick("first", "Which layers go first", list(FIRST), FIRST.__getitem__)
    return best(found) if how == "search" else ranked(result)


def removal_of(run: str, result: RunResult, sets: Sets) -> tuple[int, ...]:
    """The layers that are switched off; the usual ones where the address asks for what there is not."""
    try:
        return current(run, result.model.players, sets)
    except SelectionError as error:
        parts.show_error(error)
        return usual(result.model.players, sets)


def show_plans(run: str, result: RunResult, found: Selection) -> None:
    """What the search has found, as a table that opens on demand."""
    players = result.model.players
    with st.expander("Plans as a table"):
        table = plan_table(found.plans, result.model)
        st.dataframe(table, hide_index=True, alt="The best plan of every number of removed layers")
        st.download_button("Download CSV", table.to_csv(index=False), f"plans-{run}.csv", "text/csv")
        stayed = f"Layers that had to stay: {named(players, found.protected)}." if found.protected else ""
        st.caption(
            f"Measured on {plain(found.protocol)}; {found.coalitions} coalitions looked at for "
            f"{plain(found.compute)}. Intervals: 90 %, for other text of this kind. {plain(stayed)}"
        )


def show(run: StoredRun, result: RunResult) -> None:
    """The page for one run."""
    run = offered(shared.database, run)
    found = reads.selection(shared.database, run.run)
    predict = estimated.predictor_of(shared.database, run)
    sets = sets_of(result, found)
    expected = {count: predict.predict(gone) for count, gone in sets.items()} if predict is not None else {}
    removed = removal_of(run.run, result, sets)
    show_controls(run.run, result, removed, sets, perplexities(result, found, sets, expected))
    parts.show_uncached(result.model, removed)
    place = show_readings(shared, run, result, removed, predict)
    if expected and place is not None:
        show_curve(result, found, expected, place)
    if found is not None:
        show_plans(run.run, result, found)
    show_search(shared, run, result, found)
    st.page_link(navigation.export(), label="Export this model", icon=":material/save:")
    show_continuations(shared, run.resolved, result.model.players, removed)
    show_rivals(shared, run, result)


if chosen is not None and chosen.result is not None:
    show(chosen, chosen.result)
