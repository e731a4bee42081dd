"""How large the chosen model is, and how fast on this machine."""

import streamlit as st

from app.dashboard import parts, state
from app.dashboard.progress import show_stage
from app.foreign import plain
from app.worker.client import Jobs
from app.worker.job import Job
from core.checkpoint.size import BYTES
from core.records.results import RunResult
from core.records.spec import RunSpec


def show_size(shared: Jobs, spec: RunSpec, result: RunResult, removed: tuple[int, ...]) -> None:
    """Parameters and weights, and the measured speed of a forward."""
    left = result.parameters_without(removed)
    if left is None:
        st.caption("This run was estimated by an earlier release: run it again to see sizes.")
    else:
        size = left * BYTES[result.model.dtype] / 2**20
        st.markdown(
            f"**{left / 1e6:,.1f} M parameters** left, {size:,.0f} MiB in {plain(result.model.dtype)} "
            f"({left / result.model.parameters - 1:+.1%})",
            help=f"{left:,} of {result.model.parameters:,}; what the weights take is computed, the speed is measured",
        )
    if st.button("Measure the speed", icon=":material/timer:", disabled=not removed):
        state.remember_job("time", shared.ahead(f"{state.session()}-time", "time", spec, removed=removed))
    job = state.remembered_job("time")
    if job is not None and (job.spec, job.removed) == (spec, removed):
        st.fragment(_speed, run_every=0.5 if job.active else None)(job)


def _speed(job: Job) -> None:
    if job.timed is not None:
        timed = job.timed
        st.caption(
            f"A forward of {timed.tokens} tokens takes {1000 * timed.pruned:.0f} ms instead of "
            f"{1000 * timed.whole:.0f} ms: **{timed.whole / timed.pruned:.2f} times as fast** (measured, median of "
            f"{timed.repeats} in turn)."
        )
    elif job.status == "failed":
        parts.show_failure(job.message, job.hint)
    else:
        show_stage(job)
