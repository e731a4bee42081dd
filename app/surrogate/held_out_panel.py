"""The first screen of Surrogate: predictions against what was measured, and how many of the intervals held."""

import streamlit as st

from app.dashboard import parts
from app.dashboard.tables import show_table
from app.digits import significant
from app.foreign import plain
from app.surrogate.fit_figures import coverage_bars, predicted_against_measured, residuals_by_size
from app.surrogate.fit_tables import band_table, held_out_table
from core.records.diagnostics import Diagnostics, HeldOut
from core.records.results import RunResult


def show_fit(result: RunResult, found: Diagnostics | None) -> HeldOut | None:
    """How good the surrogate in use is, and which kind the figures below are of, if there is a choice."""
    fit = result.surrogate
    figures, choice = st.columns([3, 2], vertical_alignment="bottom")
    with figures, st.container(horizontal=True):
        st.metric("R²", significant(fit.r2), help="1 is perfect, 0 is no better than the mean")
        st.metric("Spearman", significant(fit.spearman), help="Agreement of the two rankings; 1 is perfect")
        st.metric("Mean absolute error", significant(fit.mae), help="In units of the score PPL_dense / PPL")
        st.metric("Coalitions tested", fit.masks)
    if found is None:
        return None
    with choice:
        kinds = {kind.name: kind for kind in found.predicted}
        return kinds[parts.pick("surrogate", "Kind of surrogate", list(kinds))]


def show_held_out(result: RunResult, found: Diagnostics, held: HeldOut) -> None:
    """Mask by mask what was predicted without it and what was measured; beside it whether the intervals hold."""
    scatter, coverage = st.columns([3, 2])
    with scatter:
        parts.show_chart(predicted_against_measured(result, found, held), key="against")
        alt = "Measured and held-out predicted perplexity of each coalition"
        show_table(held_out_table(result, found, held), alt, f"held-out-{result.run}")
    with coverage:
        if any(band.masks for band in result.bands):
            parts.show_chart(coverage_bars(result.bands), key="coverage")
            alt = "Width and held-out coverage of predictive intervals by number of layers kept"
            show_table(band_table(result), alt, f"intervals-{result.run}")


def explain(result: RunResult, found: Diagnostics) -> None:
    """How the figures are to be read."""
    with st.popover("How to read this"):
        st.markdown(
            "Each point is a set of layers that the surrogate had **not** seen, predicted in five folds; on the dashed "
            f"line it is right. {len(found.masks)} of {result.surrogate.masks} coalitions. A score below 1e-5 is that "
            "of a ruined model and is drawn as 1e-5."
        )
        st.markdown(
            "The bars: nine of ten measured perplexities are within the factor (×) below a bar of the predicted one, "
            "by the same folds. Its height is how many of other coalitions were, which had no part in setting it."
        )
        if result.precision is not None:
            st.markdown(f"{plain(result.precision)}.")


def show_sizes(result: RunResult, found: Diagnostics, held: HeldOut) -> None:
    """Residuals by number of layers kept."""
    parts.show_chart(residuals_by_size(result, found, held), key="residuals")
    st.caption(
        "Above zero, the set is better than predicted. Bands: 90 % predictive intervals, those of the Gaussian process "
        "on the log score whatever kind is on show. The data are in the table of points above."
    )
