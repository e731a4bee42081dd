"""The search for the best plan of every count, and the comparison with the literature's methods: asked for, watched."""

import streamlit as st

from app.dashboard import login, parts, reads
from app.dashboard.progress import watch
from app.dashboard.tables import methods_table
from app.foreign import plain
from app.preview.curve import rivals
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.records.plans import METHODS, USUAL_METHODS, Selection
from core.records.results import RunResult


def show_search(shared: Jobs, run: StoredRun, result: RunResult, found: Selection | None) -> None:
    """Asks for a search of a budget, and shows how far it is."""
    job = shared.newest("select", run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Searching for the best plan of every count")
        if job.active:
            return
    with st.expander("Search for the best plans" if found is None else "Search again", expanded=found is None):
        st.markdown(
            "The search looks for the best set of every size at once, around what has proved good, and settles the "
            "finalists on further text. One unit of compute is what SLEB takes to remove two fifths of the layers "
            "by plain forwards; the budget is of what is computed here, where prefixes are shared."
        )
        units = st.number_input("Budget in units", 0.1, 64.0, 1.0, step=0.5, key="search-units")
        players = result.model.players
        protected = st.multiselect("Layers that stay", range(len(players)), format_func=players.__getitem__)
        if st.button("Search", type="primary", icon=":material/search:"):
            shared.task(
                "select", run.resolved, login.visitor(), run=run.run, game=run.game, units=units, protected=protected
            )
            st.rerun()


def show_rivals(shared: Jobs, run: StoredRun, result: RunResult) -> None:
    """The literature's methods and ours, each chosen on the run's text and judged on other text."""
    st.header("Beside the literature's methods")
    job, found = shared.newest("compare", run.run), reads.comparison(shared.database, run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Comparing methods")
    if found is not None:
        parts.show_chart(rivals(found), key="rivals")
        table = methods_table(found)
        st.dataframe(table, hide_index=True, alt="Perplexity of each method at each number of removed layers")
        st.caption(
            f"Measured on text that no method has seen: {plain(found.evaluation)}. Chosen on "
            f"{plain(found.calibration)}. Dense "
            f"perplexity there: {found.dense_perplexity:.2f}. Compute of all counts together, in units of what SLEB "
            "takes to remove two fifths of the layers by plain forwards: plain, each coalition for itself, and shared, "
            "with what coalitions have in common computed once."
        )
    with st.expander("Compare" if found is None else "Compare again", expanded=found is None):
        methods = st.multiselect("Methods", list(METHODS), USUAL_METHODS)
        units = st.number_input("Budget of ours, in units", 0.1, 64.0, 1.0, step=0.5, key="compare-units")
        st.caption("Methods that search take minutes. What is measured is kept: cancelled, it goes on where it was.")
        if st.button("Compare", icon=":material/compare_arrows:", disabled=not methods):
            most = max(1, 2 * len(result.model.players) // 5)
            counts = sorted({max(1, round(share * most)) for share in (0.25, 0.5, 0.75, 1.0)})
            shared.task(
                "compare", run.resolved, login.visitor(), run=run.run, methods=methods, counts=counts, units=units
            )
            st.rerun()
