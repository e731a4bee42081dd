"""What each layer contributes: bars with intervals, the heatmap over strata, their quality, and a measurement."""

from dataclasses import replace

import streamlit as st

from app import jobs, navigation, views
from app.contribution_figures import contribution_bars, contribution_heatmap
from app.what_if import show_what_if
from core.results import RunResult
from core.stability import stability

# With fewer, hyperparameters are in doubt, too, and no interval holds that.
_MASKS_A_LAYER = 2
shared = jobs.shared()

st.title("Contributions")
chosen = views.pick_run(shared.database)


def show_quality(result: RunResult) -> None:
    """How settled the contributions are, and how good the surrogate is that they come from."""
    st.subheader("How far to trust them")
    fit = result.surrogate
    st.markdown(
        f"They come from a surrogate ({fit.name}), whose R² on {fit.masks} coalitions that it had **not** seen is "
        f"{fit.r2:.3f}. {stability(result)}."
    )
    st.page_link(navigation.surrogate(), label="Predicted against measured, on the page Surrogate")
    if fit.masks < _MASKS_A_LAYER * result.model.layers:
        st.warning("These are few coalitions for so many layers: the intervals may be too narrow. Measure more.")


if chosen is not None and chosen.result is not None:
    views.show_standing(chosen, shared)
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
    st.subheader("By number of layers kept")
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
