"""The literature's methods beside ours: judged on text that none has seen, and drawn on the run's own."""

import streamlit as st

from app.dashboard import login, parts, reads
from app.dashboard.progress import watch
from app.dashboard.tables import draw_table, methods_table
from app.foreign import plain
from app.preview.curve import rivals
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.records.plans import USUAL_METHODS, methods_for
from core.records.results import RunResult


def show_rivals(shared: Jobs, run: StoredRun, result: RunResult) -> None:
    """The literature's methods and ours, each chosen on the run's text and judged on other text."""
    job, found = shared.newest("compare", run.run), reads.comparison(shared.database, run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Comparing methods")
    if found is not None:
        parts.show_chart(rivals(found), key="rivals")
        table = methods_table(found)
        draw_table(table, "Perplexity of each method at each number of removed layers", f"methods-{run.run}")
        st.caption(
            f"Measured on text that no method has seen: {plain(found.evaluation)}. Chosen on "
            f"{plain(found.calibration)}. Dense perplexity there: {found.dense_perplexity:.2f}. Compute of all counts "
            "together, in units of what SLEB takes to remove two fifths of the layers by plain forwards: plain, each "
            "coalition for itself, and shared, with what coalitions have in common computed once."
        )
    kind = run.resolved.players
    methods = st.multiselect("Methods", methods_for(kind), methods_for(kind, USUAL_METHODS))
    units = st.number_input("Budget of ours, in units", 0.1, 64.0, 1.0, step=0.5, key="compare-units")
    st.caption("Methods that search take minutes. What is measured is kept: cancelled, it goes on where it was.")
    name = "Compare" if found is None else "Compare again"
    if st.button(name, icon=":material/compare_arrows:", disabled=not methods):
        most = max(1, 2 * len(result.model.players) // 5)
        counts = sorted({max(1, round(share * most)) for share in (0.25, 0.5, 0.75, 1.0)})
        shared.task("compare", run.resolved, login.visitor(), run=run.run, methods=methods, counts=counts, units=units)
        st.rerun()
