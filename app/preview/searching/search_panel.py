"""The search for the best plan of every count: asked for, and watched."""

import streamlit as st

from app.dashboard import login
from app.dashboard.progress import watch
from app.dashboard.session import widgets
from app.preview.searching.compensation_panel import show_compensation
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.records.plans import Selection
from core.records.results import RunResult

UNIT = (
    "One unit of compute is what SLEB takes to remove two fifths of the layers by plain forwards; the budget is of "
    "what is computed here, where prefixes are shared."
)


def show_search(
    shared: Jobs, run: StoredRun, result: RunResult, found: Selection | None, removed: tuple[int, ...]
) -> None:
    """Asks for a search of a budget, and shows how far it is; then what compensation makes of its plans."""
    job = shared.newest("select", run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Searching for the best plan of every count")
        if job.active:
            return
    st.markdown(
        "Looks for the best set of every size at once, around what has proved good, and settles the finalists on "
        "more text."
    )
    widgets.begin("search-units", 1.0)
    units = st.number_input("Budget in units", 0.1, 64.0, step=0.5, key="search-units", help=UNIT)
    players = result.model.players
    stay = f"search-stay-{run.run}"
    protected = st.multiselect("Layers that stay", range(len(players)), format_func=players.__getitem__, key=stay)
    earlier = st.checkbox(
        "Begin with what was measured on other texts",
        key="search-earlier",
        help="The best removals that this file knows of this model from other texts are candidates here, too.",
    )
    if st.button("Search" if found is None else "Search again", icon=":material/search:"):
        shared.task(
            "select",
            run.resolved,
            login.visitor(),
            run=run.run,
            game=run.game,
            units=units,
            protected=protected,
            earlier=earlier,
        )
        st.rerun()
    if found is not None:
        show_compensation(shared, run, found, removed)
