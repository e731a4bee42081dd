"""What each layer contributes: bars with intervals, the heatmap over strata, their quality, and a measurement."""

from dataclasses import replace

import streamlit as st

from app import jobs, views
from app.contribution_figures import contribution_bars, contribution_heatmap
from app.jobs import Job
from app.what_if import show_what_if
from core.results import RunResult
from core.stability import stability

# With fewer, hyperparameters are in doubt, too, and no interval holds that.
_MASKS_A_LAYER = 2
shared = jobs.shared()

st.title("Contributions")
chosen = views.pick_run(shared.database)


def watch(job: Job, seen: int) -> None:
    """Progress of the run on show; new contributions redraw the page."""
    views.show_progress(job, shared)
    if job.revision != seen:
        st.rerun(scope="app")


def show_quality(result: RunResult) -> None:
    """How well the surrogate behind the contributions predicts masks that it has not seen."""
    st.header("How far to trust them")
    fit = result.surrogate
    st.markdown(
        "The contributions come from a surrogate that predicts the score of a set of layers. These figures compare its "
        f"predictions with measurements of sets that it has **not** seen (five folds). In use: **{fit.name}**."
    )
    with st.container(horizontal=True):
        st.metric("R²", f"{fit.r2:.3f}", help="1 is perfect, 0 is no better than the mean")
        st.metric("Spearman", f"{fit.spearman:.3f}", help="Agreement of the two rankings; 1 is perfect")
        st.metric("Mean absolute error", f"{fit.mae:.4f}", help="In units of the score PPL_dense / PPL")
        st.metric("Coalitions tested", fit.masks)
    st.markdown(f"{stability(result)}.")
    if fit.masks < _MASKS_A_LAYER * result.model.layers:
        st.warning("These are few coalitions for so many layers: the intervals may be too narrow. Measure more.")
    if result.others:
        st.markdown("Other kinds of surrogate on the same coalitions and folds:")
        st.dataframe(views.fit_table(result), hide_index=True, alt="Held-out quality of each kind of surrogate")
        st.caption(
            "The paper trains its network on about 8,000 coalitions; with a few hundred its recipe has hardly begun."
        )
    if result.bands:
        st.markdown(
            "How far a predicted perplexity may be off: nine of ten measured ones are within this factor of it, by the "
            "same folds. The third column tests that on coalitions that had no part in setting the factor."
        )
        alt = "Width and held-out coverage of predictive intervals by number of layers kept"
        st.dataframe(views.band_table(result), hide_index=True, alt=alt)
    if result.precision is not None:
        st.caption(f"{result.precision}.")
    if result.not_finite:
        st.warning(f"{result.not_finite} coalitions have a loss that is not a number; they are in no fit.")


if chosen is not None and chosen.result is not None:
    running = shared.newest()
    if running is not None and running.active and running.run == chosen.run:
        st.fragment(watch, run_every=1.0)(running, running.revision)
    elif chosen.status != "finished":
        st.warning(f"This run is {chosen.status}: these are the contributions so far. Resume it on the page Runs.")
    shown = chosen.result
    st.caption(
        f"{shown.model.source} ({shown.model.architecture}, {shown.model.parameters / 1e6:,.0f} M parameters, "
        f"{shown.model.dtype} on {shown.model.device}) · dense perplexity {shown.dense_perplexity:.2f} (measured) · "
        f"{shown.protocol} · {shown.surrogate.masks} of {shown.masks} coalitions measured"
    )
    st.markdown(
        "**Stratified contribution** (the paper's): how much of the score PPL_dense / PPL is lost on average when this "
        "layer goes, over random sets of the sizes that were sampled. The Shapley value weighs all sizes alike; this "
        "one does not."
    )
    views.show_chart(contribution_bars(shown), key="bars")
    st.caption(
        "Whiskers: 90 % intervals for the doubt of having measured some coalitions only (draws from the surrogate's "
        "posterior, and how far a second surrogate differs). Orange bands: 90 % for the doubt of having measured on "
        "this text (resampled sequences)."
    )
    st.header("By number of layers kept")
    st.markdown(
        "Read a column downwards: a layer that matters only while few others are missing fades towards the bottom."
    )
    views.show_chart(contribution_heatmap(shown), key="heatmap")
    with st.expander("As a table"):
        table = views.contribution_table(shown)
        st.dataframe(table, hide_index=True, alt="Contribution of each layer, least needed first")
        st.download_button("Download CSV", table.to_csv(index=False), f"contributions-{shown.run}.csv", "text/csv")
    show_quality(shown)
    show_what_if(shared, replace(chosen.spec, dtype=shown.model.dtype), shown)
