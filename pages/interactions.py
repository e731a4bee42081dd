"""How pairs of layers depend on each other: the matrix, the strongest pairs, the four perplexities behind one."""

import math
from dataclasses import replace

import streamlit as st

from app import jobs, state, views
from app.interaction_figures import interaction_matrix
from app.jobs import Job
from core.results import PairInteraction, PairInteractions, RunResult
from core.types import RunSpec

shared = jobs.shared()
WORDS = {
    "synergy": "they are worth more together than apart",
    "redundancy": "one makes up for the other: losing both is worse than the two losses tell",
    "undecided": "the interval holds zero",
}

st.title("Interactions")
chosen = views.pick_run(shared.database)


def show_matrix(result: RunResult, found: PairInteractions) -> None:
    """All pairs at a glance."""
    views.show_chart(interaction_matrix(result, found), key="matrix")
    st.caption(
        f"Estimated by a surrogate ({found.surrogate.name}; R² of the score {found.surrogate.r2:.3f} on "
        f"{found.surrogate.masks} coalitions that it has not seen). Each other layer is there with probability 0.9: "
        f"this is the game near the whole model. {found.extrapolated:.1%} of it rests on sizes that were never "
        f"measured. {result.protocol}."
    )


def pick_pair(run: str, found: PairInteractions) -> PairInteraction:
    """The strongest pairs as a table, and the choice of one."""
    st.header("Strongest pairs")
    table = views.interaction_table(found)
    st.dataframe(table.head(10), hide_index=True, alt="The ten strongest interactions")
    st.download_button("Download CSV of all pairs", table.to_csv(index=False), f"interactions-{run}.csv", "text/csv")
    st.header("What lies behind a pair")
    return st.selectbox(
        "Pair", found.pairs, format_func=lambda pair: f"layers {pair.first} and {pair.second} ({pair.meaning})"
    )


def show_pair(spec: RunSpec, result: RunResult, pair: PairInteraction) -> None:
    """What the surrogate says of a pair, and the measurement that it can be held against."""
    st.markdown(
        f"Estimated interaction of layers {pair.first} and {pair.second}: **{pair.value:+.3f}** nats a token "
        f"(90 % interval {pair.low:+.3f} to {pair.high:+.3f}): {pair.meaning}, {WORDS[pair.meaning]}."
    )
    if st.button("Measure the four perplexities", type="primary", icon=":material/speed:"):
        sets = ((pair.first,), (pair.second,), (pair.first, pair.second))
        asked = [shared.preview(f"{state.client()}-pair-{slot}", spec, one) for slot, one in enumerate(sets)]
        state.remember_pair(asked, (pair.first, pair.second))
    asked = state.remembered_pair((pair.first, pair.second))
    if asked and asked[0].spec == spec:
        st.fragment(answer, run_every=0.25 if any(job.active for job in asked) else None)(asked, result)


def answer(asked: list[Job], result: RunResult) -> None:
    """The measured perplexities, and the interaction that they make."""
    failed = next((job for job in asked if job.status == "failed"), None)
    if failed is not None:
        st.error(f"**{failed.message}**\n\n{failed.hint}", icon="⚠️")
        return
    with st.container(horizontal=True):
        st.metric("Whole model (measured)", f"{result.dense_perplexity:.2f}")
        for job in asked:
            without = " and ".join(map(str, job.removed or ()))
            st.metric(f"Without {without} (measured)", f"{job.measured.perplexity:.2f}" if job.measured else "…")
    found = [job.measured for job in asked if job.measured is not None]
    if len(found) < len(asked):
        return
    if not all(views.compares(measured, result) for measured in found):
        st.warning("The model or the text has changed since the run, so these figures do not compare with it.")
        return
    first, second, both = (measured.mean_nll - math.log(result.dense_perplexity) for measured in found)
    if math.isfinite(both):
        st.markdown(
            f"Measured interaction while nothing else is missing: **{first + second - both:+.3f}** nats a token. The "
            f"two single losses add up to {first + second:.3f}; together they cost {both:.3f}."
        )


if chosen is not None and chosen.result is not None:
    st.markdown(
        "Worth is the negative rise of the mean loss, in nats a token. **Blue** pairs are worth more together than "
        "apart (synergy). **Vermilion** pairs make up for each other (redundancy): each looks dispensable while the "
        "other is there, so removing layers one by one by their own contribution goes wrong with them."
    )
    interactions = chosen.result.interactions
    if interactions is None:
        st.info("Interactions are estimated at the end of a run: finish this one, or run it again, on the page Runs.")
    else:
        show_matrix(chosen.result, interactions)
        show_pair(
            replace(chosen.spec, dtype=chosen.result.model.dtype), chosen.result, pick_pair(chosen.run, interactions)
        )
