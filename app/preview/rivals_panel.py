"""The literature's methods beside ours: judged on text that none has seen, and drawn on the run's own."""

import streamlit as st

from app.dashboard import login, parts, reads
from app.dashboard.progress import watch
from app.dashboard.session import widgets
from app.dashboard.tables import draw_table, methods_table
from app.digits import perplexity
from app.foreign import plain
from app.preview.curve import rivals, ruined_by
from app.preview.searching.search_panel import UNIT
from app.words import FITS
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.coalitions.players import are_halves
from core.records.mends import COMPENSATIONS
from core.records.plans import USUAL_METHODS, methods_for
from core.records.results import RunResult

_HELP = """Every choice is measured once more after weights beside its cuts were fitted to the whole model: minutes, on
further calibration text."""


def show_rivals(shared: Jobs, run: StoredRun, result: RunResult) -> None:
    """The literature's methods and ours, each chosen on the run's text and judged on other text."""
    job, found = shared.newest("compare", run.run), reads.comparison(shared.database, run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Comparing methods")
    if found is not None:
        parts.show_chart(rivals(found), key="rivals")
        if ruined := ruined_by(found):
            st.caption(plain(ruined.strip()))
        table = methods_table(found)
        draw_table(table, "Perplexity of each method at each number of removed layers", f"methods-{run.run}")
        with st.popover("How measured"):
            st.markdown(
                f"On text that no method has seen: {plain(found.evaluation)}. Chosen on {plain(found.calibration)}. "
                f"The whole model's perplexity there is {perplexity(found.dense_perplexity)} (measured). "
                "Above 10,000 a model is ruined, and not drawn."
            )
            st.markdown(
                "Compute of all counts together, in units of what SLEB takes to remove two fifths of the layers by "
                "plain forwards: plain, each coalition for itself, and shared, with what coalitions have in common "
                "computed once."
            )
            if found.fitted is not None:
                st.markdown(f"Fitted on {plain(found.fitted)}.")
            if own := ", ".join(method.method for method in found.methods if method.mends):
                st.markdown(f"With the compensation that is part of the method: {plain(own)}.")
    kind = run.resolved.players
    methods = st.multiselect("Methods", methods_for(kind), methods_for(kind, USUAL_METHODS))
    widgets.begin("compare-units", 1.0)
    units = st.number_input("Budget in units", 0.1, 64.0, step=0.5, key="compare-units", help=UNIT)
    if halves := are_halves(result.model.players):  # none can be fitted, whatever was chosen for a run of blocks
        widgets.set_value("compare-compensate", "none")
    how = st.selectbox(
        "Compensation",
        COMPENSATIONS,
        format_func=FITS.__getitem__,
        key="compare-compensate",
        help=_HELP,
        disabled=halves,
    )
    name = "Compare" if found is None else "Compare again"
    slow = "Methods that search take minutes. What is measured is kept: cancelled, it goes on where it was."
    if st.button(name, disabled=not methods, help=slow):
        most = max(1, 2 * len(result.model.players) // 5)
        counts = sorted({max(1, round(share * most)) for share in (0.25, 0.5, 0.75, 1.0)})
        asked = {"methods": methods, "counts": counts, "units": units, "compensate": how}
        shared.task("compare", run.resolved, login.visitor(), run=run.run, **asked)
        st.rerun()
