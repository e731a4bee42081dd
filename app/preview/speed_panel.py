"""How large the chosen model is, and how fast on this machine."""

import streamlit as st

from app.dashboard import parts
from app.dashboard.progress import show_stage
from app.dashboard.session import state
from app.foreign import plain
from app.worker.client import Jobs
from app.worker.job import Job
from core.checkpoint.memory import amount
from core.checkpoint.size import BYTES
from core.records.behaviour.speeds import Spread
from core.records.results import RunResult
from core.records.spec import RunSpec


def show_size(shared: Jobs, spec: RunSpec, result: RunResult, removed: tuple[int, ...]) -> None:
    """Parameters and weights, and how fast it writes, measured."""
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
        [whole], [smaller] = timed.speed.whole.paces, timed.speed.smaller.paces
        faster = timed.speed.speedups[0].latency
        st.caption(
            f"Writes **{faster.value:.2f} ± {faster.error:.2f} times as fast**: prefill "
            f"{_taken(smaller.prefill)} instead of {_taken(whole.prefill)} ms, decode "
            f"{_taken(smaller.decode)} instead of {_taken(whole.decode)} ms.",
            help=f"Measured on {plain(timed.model.device)}, {timed.speed.threads} threads: "
            f"{plain(timed.speed.protocol)}; ± of the ratio is its standard error. "
            f"Peak memory: {_held(smaller.peak_bytes, whole.peak_bytes, 'not told by this device')}; keys and values: "
            f"{_held(smaller.cache_bytes, whole.cache_bytes, 'none')}. "
            "`python -m app speed` takes longer texts, more of them, and a folder.",
        )
    elif job.status == "failed":
        parts.show_failure(job.message, job.hint)
    else:
        show_stage(job)


def _taken(spread: Spread) -> str:
    return f"{1000 * spread.mean:,.0f} ± {1000 * spread.sd:,.0f}"


def _held(smaller: int | None, whole: int | None, nothing: str) -> str:
    return nothing if smaller is None or whole is None else f"{amount(smaller)} instead of {amount(whole)}"
