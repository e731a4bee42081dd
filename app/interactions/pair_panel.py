"""What lies behind a pair of layers: its estimated interaction, and the four true perplexities."""

import math

import streamlit as st

from app.dashboard import parts
from app.dashboard.session import state
from app.digits import perplexity, significant
from app.foreign import plain
from app.interactions.matrix import bounds_of
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
        f"Estimated interaction of layers {plain(both)}: **{significant(pair.value, '+')}** {unit} "
        f"(90 % interval {plain(bounds_of(pair))}): {plain(pair.meaning)}, {WORDS[pair.meaning]}."
    )
    if st.button("Measure the four perplexities", type="primary", icon=":material/speed:"):
        sets = ((pair.first,), (pair.second,), (pair.first, pair.second))
        asked = [shared.preview(f"{state.session()}-pair-{slot}", spec, one) for slot, one in enumerate(sets)]
        state.remember_jobs("pair", (pair.first, pair.second), asked)
    asked = state.remembered_jobs("pair", (pair.first, pair.second))
    if asked and asked[0].spec == spec:
        st.fragment(_answer, run_every=0.25 if any(job.active for job in asked) else None)(asked, result)


def _answer(asked: list[Job], result: RunResult) -> None:
    """The measured perplexities, two beside each other, and the interaction that they make."""
    failed = next((job for job in asked if job.status == "failed"), None)
    if failed is not None:
        parts.show_failure(failed.message, failed.hint)
        return
    places = [column for _ in range(2) for column in st.columns(2)]
    places[0].metric("Whole model (measured)", perplexity(result.dense_perplexity))
    for place, job in zip(places[1:], asked, strict=True):
        without = named(result.model.players, job.removed, " and ")
        number = perplexity(job.measured.perplexity) if job.measured else "…"
        place.metric(f"Without {plain(without)} (measured)", number)
    found = [job.measured for job in asked if job.measured is not None]
    if len(found) < len(asked):
        return
    if not parts.all_compare(found, result):
        return
    first, second, both = (measured.mean_nll - math.log(result.dense_perplexity) for measured in found)
    if math.isfinite(both):
        st.markdown(
            f"Measured interaction while nothing else is missing: **{significant(first + second - both, '+')}** nats "
            f"a token. The two single losses add up to {significant(first + second)}; together they cost "
            f"{significant(both)}."
        )
