"""Choose how many layers go, by eye: a curve, a slider, a strip of layers, and the perplexity that was measured."""

import streamlit as st

from app.dashboard import estimated, parts, reads
from app.dashboard.refitting import offered
from app.dashboard.tables import draw_table, plan_table
from app.foreign import plain
from app.preview import removal, steps
from app.preview.controls import show_accepted, show_slider, show_strip, show_ways_back, taking
from app.preview.curve import curve
from app.preview.readings import place_of, show_export, show_protocol, show_readings
from app.preview.rivals_panel import show_rivals
from app.preview.search_panel import show_search
from app.preview.writing_panel import show_continuations
from app.words import named
from app.worker import client
from cache.queries import StoredRun
from core.errors import SelectionError
from core.records.plans import Selection
from core.records.results import RunResult

shared = client.shared()

st.title("How many layers can go?")
chosen = parts.pick_run(shared.database)


def removal_of(run: StoredRun, result: RunResult, sets: steps.Steps) -> tuple[int, ...]:
    """The layers that are switched off; the usual ones where the address asks for what there is not."""
    try:
        return removal.current(run, sets)
    except SelectionError as error:
        parts.show_error(error)
        return steps.usual(result, sets)


def show_plans(run: str, result: RunResult, found: Selection | None) -> None:
    """What the search has found, as a table."""
    if found is None:
        st.info("No search has looked for the best plans yet: see the tab Search.")
        return
    players = result.model.players
    table = plan_table(found.plans, result.model)
    draw_table(table, "The best plan of every number of removed layers", f"plans-{run}")
    stayed = f"Layers that had to stay: {named(players, found.protected)}." if found.protected else ""
    st.caption(
        f"Measured on {plain(found.protocol)}; {found.coalitions:d} coalitions looked at for {plain(found.compute)}. "
        f"Intervals: 90 %, for other text of this kind. {plain(stayed)}"
    )


def show(run: StoredRun, result: RunResult) -> None:
    """The page for one run: what one chooses by is on the first screen, what explains it in tabs."""
    run = offered(shared.database, run)
    found = reads.selection(shared.database, run.run)
    predict = estimated.predictor_of(shared.database, run)
    best, ranked = steps.best(shared.database, run), steps.ranked(shared.database, run, predict)
    sets = best or ranked
    removed = removal_of(run, result, sets)
    left, right = st.columns([5, 2])
    with right:
        show_readings(shared, run, result, removed, predict)
        show_export(result, removed)
        show_ways_back(run.run)
        accepted = show_accepted(run.run, result, sets)
    with left:
        marks = steps.bend(result, sets), result.dense_perplexity * (1 + accepted)
        place = place_of(shared, run, removed, predict)
        drawn = curve(result, best, ranked, steps.choices(shared.database, run), marks, place)
        parts.show_chart(drawn, key="curve", take=taking(run.run, result))
        show_slider(run.run, result, removed, sets)
        show_strip(run.run, result, removed)
    parts.show_uncached(result.model, removed)
    show_protocol(result)
    writes, rivals, table, search = st.tabs(["Writes", "Against the literature", "Table", "Search"])
    with writes:
        show_continuations(shared, run.resolved, result.model.players, removed)
    with rivals:
        show_rivals(shared, run, result)
    with table:
        show_plans(run.run, result, found)
    with search:
        show_search(shared, run, result, found)


if chosen is not None and chosen.result is not None:
    show(chosen, chosen.result)
