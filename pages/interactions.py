"""How pairs of layers depend on each other: the matrix, the strongest pairs, the four measured worths behind one."""

import math
from dataclasses import replace

import streamlit as st

from app import jobs, state, views
from app.figures import interaction_matrix
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
        f"Estimated by a surrogate ({found.surrogate.name}; R² {found.surrogate.r2:.3f} on {found.surrogate.masks} "
        "coalitions that it has not seen). Each other layer is there with probability 0.9: this is the game near the "
        f"whole model. {found.extrapolated:.1%} of it rests on fewer layers than were ever measured. {result.protocol}."
    )


def pick_pair(found: PairInteractions) -> PairInteraction:
    """The strongest pairs as a table, and the choice of one."""
    st.subheader("Strongest pairs")
    table = views.interaction_table(found)
    st.dataframe(table.head(10), hide_index=True, alt="The ten strongest interactions")
    st.download_button("Download CSV of all pairs", table.to_csv(index=False), "interactions.csv", "text/csv")
    st.subheader("The four worths behind a pair")
    return st.selectbox(
        "Pair", found.pairs, format_func=lambda pair: f"layers {pair.first} and {pair.second} ({pair.meaning})"
    )


def show_pair(spec: RunSpec, result: RunResult, pair: PairInteraction) -> None:
    """What the surrogate says of a pair, and the measurement that it can be held against."""
    st.markdown(
        f"Estimated interaction of layers {pair.first} and {pair.second}: **{pair.value:+.3f}** nats a token "
        f"({pair.low:+.3f} to {pair.high:+.3f}): {pair.meaning}, {WORDS[pair.meaning]}."
    )
    if st.button("Measure the four worths", type="primary", icon=":material/speed:"):
        corners = ((pair.first,), (pair.second,), (pair.first, pair.second))
        state.remember_pair(
            [shared.preview(f"{state.client()}-{len(c)}-{c[0]}", spec, c) for c in corners], (pair.first, pair.second)
        )
    asked = state.remembered_pair((pair.first, pair.second))
    if asked and asked[0].spec == spec:
        st.fragment(answer, run_every=0.5 if any(job.active for job in asked) else None)(asked, result)


def answer(asked: list[Job], result: RunResult) -> None:
    """The measured perplexities, and the interaction that they make."""
    failed = next((job for job in asked if job.status == "failed"), None)
    if failed is not None:
        st.error(f"**{failed.message}**\n\n{failed.hint}", icon="⚠️")
        return
    perplexities = [job.measured.perplexity if job.measured else None for job in asked]
    with st.container(horizontal=True):
        st.metric("Whole model (measured)", f"{result.dense_perplexity:.2f}")
        for job, found in zip(asked, perplexities, strict=True):
            without = " and ".join(map(str, job.removed or ()))
            st.metric(f"Without {without} (measured)", f"{found:.2f}" if found is not None else "…")
    if all(found is not None for found in perplexities):
        first, second, both = (math.log(found) for found in perplexities if found is not None)
        measured = first + second - both - math.log(result.dense_perplexity)
        st.markdown(
            f"Measured interaction while nothing else is missing: **{measured:+.3f}** nats a token. The two "
            f"single losses add up to {first + second - 2 * math.log(result.dense_perplexity):.3f}; together they cost "
            f"{both - math.log(result.dense_perplexity):.3f}."
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
        show_pair(replace(chosen.spec, dtype=chosen.result.model.dtype), chosen.result, pick_pair(interactions))
