"""Below the curve, in tabs: writing, a second removal, the literature, all measures, all plans, the search."""

import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.session import widgets
from app.dashboard.tables import draw_table, plan_table, show_table
from app.foreign import plain
from app.preview.beside_panel import Sets, show_beside
from app.preview.curve_table import curve_table
from app.preview.pareto.pareto_panel import show_pareto
from app.preview.rivals_panel import show_rivals
from app.preview.searching.search_panel import show_search
from app.preview.steps import Rivals, Steps
from app.preview.writing.verdict_panel import show_verdict, verdicts
from app.preview.writing.writing_panel import show_continuations
from app.words import named
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.records.plans import Selection
from core.records.results import RunResult

TABS = {
    "writes": "Writing",
    "beside": "Side by side",
    "rivals": "Literature",
    "pareto": "Pareto",
    "plans": "All plans",
    "search": "Search",
}


def show_details(
    shared: Jobs,
    run: StoredRun,
    result: RunResult,
    removed: tuple[int, ...],
    sets: Sets,
    curves: tuple[Steps, Steps, Rivals],
) -> None:
    """The tab that is chosen; what was typed into another one stays. `curves` are those above, as of `curve`."""
    tab = parts.pick("tab", "Details", list(TABS), TABS.__getitem__, row=True)
    found = reads.selection(shared.database, run.run)
    # Each tab has a place of its own: what the browser takes over from another one keeps the focus of the keyboard.
    with [st.container() for _ in TABS][list(TABS).index(tab)]:
        if tab == "writes":
            show_continuations(shared, run.resolved, result.model.players, removed)
            show_verdict(shared, run, result, removed)
        elif tab == "beside":
            show_beside(shared, run, result, removed, sets)
        elif tab == "rivals":
            show_rivals(shared, run, result)
        elif tab == "pareto":
            show_pareto(shared, run, result, removed, *curves)
        elif tab == "plans":
            _show_plans(shared, run.run, result, found)
            table = curve_table(result.model.players, *curves)
            show_table(table, "Every set of layers on the curve, by whom it was chosen", f"curve-{run.run}")
        else:
            show_search(shared, run, result, found, removed)
    widgets.keep("writes-", "compare-", "search-")


def _show_plans(shared: Jobs, run: str, result: RunResult, found: Selection | None) -> None:
    """What the search has found, as a table."""
    if found is None:
        st.info("No search has looked for the best plans yet: see the tab Search.")
        return
    players = result.model.players
    table = plan_table(found.plans, result.model)
    known = reads.traits(shared.database, result.model, tuple(plan.removed for plan in found.plans))
    if judged := verdicts(known):
        table["writing"] = [judged.get(plan.removed, "") for plan in found.plans]
    draw_table(table, "The best plan of every number of removed layers", f"plans-{run}")
    stayed = f"Layers that had to stay: {named(players, found.protected)}." if found.protected else ""
    st.caption(
        f"Measured on {plain(found.protocol)}; {found.coalitions:d} coalitions looked at for {plain(found.compute)}. "
        f"Intervals: 90 %, for other text of this kind. {plain(stayed)}"
    )
