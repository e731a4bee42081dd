"""What lies behind a pair of layers: its estimated interaction, and the four true perplexities."""

import math

import streamlit as st

from app.dashboard import parts, state
from app.foreign import plain
from app.words import named
from app.worker.client import Jobs
from app.worker.job import Job
from core.records.results import RunResult
from core.records.spec import RunSpec
from core.records.values import PairInteraction

WORDS = {
    "synergy": "they are worth more together than apart",
    "redundancy": "one makes up for the other: losing both is worse than the two losses tell",
    "undecided": "the interval holds zero",
}


def show_pair(shared: Jobs, spec: RunSpec, result: RunResult, pair: PairInteraction, unit: str) -> None:
    """What the surrogate says of a pair, and the measurement that it can be held against."""
    both = named(result.model.players, (pair.first, pair.second), " and ")
    st.markdown(
        f"Estimated interaction of layers {plain(both)}: **{pair.value:+.3f}** {unit} "
        f"(90 % interval {pair.low:+.3f} to {pair.high:+.3f}): {plain(pair.meaning)}, {WORDS[pair.meaning]}."
    )
    if st.button("Measure the four perplexities", type="primary", icon=":material/speed:"):
        sets = ((pair.first,), (pair.second,), (pair.first, pair.second))
        asked = [shared.preview(f"{state.session()}-pair-{slot}", spec, one) for slot, one in enumerate(sets)]
        state.remember_jobs("pair", (pair.first, pair.second), asked)
    asked = state.remembered_jobs("pair", (pair.first, pair.second))
    if asked and asked[0].spec == spec:
        st.fragment(_answer, run_every=0.25 if any(job.active for job in asked) else None)(asked, result)


def _answer(asked: list[Job], result: RunResult) -> None:
    """The measured perplexities, and the interaction that they make."""
    failed = next((job for job in asked if job.status == "failed"), None)
    if failed is not None:
        parts.show_failure(failed.message, failed.hint)
        return
    with st.container(horizontal=True):
        protocol = str(result.protocol)
        st.metric("Whole model (measured)", f"{result.dense_perplexity:.2f}", help=plain(protocol))
        for job in asked:
            without = named(result.model.players, job.removed, " and ")
            number = f"{job.measured.perplexity:.2f}" if job.measured else "…"
            st.metric(f"Without {plain(without)} (measured)", number, help=plain(protocol))
    found = [job.measured for job in asked if job.measured is not None]
    if len(found) < len(asked):
        return
    if not parts.all_compare(found, result):
        return
    first, second, both = (measured.mean_nll - math.log(result.dense_perplexity) for measured in found)
    if math.isfinite(both):
        st.markdown(
            f"Measured interaction while nothing else is missing: **{first + second - both:+.3f}** nats a token. The "
            f"two single losses add up to {first + second:.3f}; together they cost {both:.3f}."
        )
