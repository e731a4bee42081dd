"""How far the surrogate can be trusted: on sets that it has not seen, with fewer to learn from, and beyond them."""

import pandas as pd
import streamlit as st

from app.dashboard import parts
from app.dashboard.progress import show_standing
from app.dashboard.tables import show_table
from app.foreign import plain
from app.surrogate.explain import show_why
from app.surrogate.extrapolation import show_beyond
from app.surrogate.fit_figures import learning_curve, predicted_against_measured, residuals_by_size
from app.surrogate.fit_tables import band_table, fit_table, held_out_table
from app.surrogate.verdict import show_verdict
from app.worker import client
from cache import queries
from core.records.diagnostics import Diagnostics, Step
from core.records.results import RunResult

shared = client.shared()

st.title("Surrogate")
chosen = parts.pick_run(shared.database)


def show_kinds(result: RunResult) -> None:
    """The surrogate in use, and the kinds that it was chosen from."""
    fit = result.surrogate
    st.markdown(
        "A surrogate predicts the score of a set of layers. These figures compare its predictions with measurements of "
        f"sets that it has **not** seen (five folds). In use: **{plain(fit.name)}**."
    )
    with st.container(horizontal=True):
        st.metric("R²", f"{fit.r2:.3f}", help="1 is perfect, 0 is no better than the mean")
        st.metric("Spearman", f"{fit.spearman:.3f}", help="Agreement of the two rankings; 1 is perfect")
        st.metric("Mean absolute error", f"{fit.mae:.4f}", help="In units of the score PPL_dense / PPL")
        st.metric("Coalitions tested", fit.masks)
    if result.others:
        st.markdown("Other kinds of surrogate on the same coalitions and folds:")
        st.dataframe(fit_table(result), hide_index=True, alt="Held-out quality of each kind of surrogate")
        st.caption(
            "The paper trains its network on about 8,000 coalitions; with a few hundred its recipe has hardly begun."
        )
    if result.precision is not None:
        st.caption(f"{plain(result.precision)}.")
    if result.not_finite:
        st.warning(f"{result.not_finite} coalitions have a loss that is not a number; they are in no fit.")


def show_held_out(result: RunResult, found: Diagnostics) -> None:
    """Mask by mask: what was predicted without it, and what was measured."""
    st.header("Predicted against measured")
    st.markdown("Each point is a set of layers that the surrogate had **not** seen. On the dashed line it is right.")
    kinds = {kind.name: kind for kind in found.predicted}
    held = kinds[parts.pick("surrogate", "Kind of surrogate", list(kinds))]
    parts.show_chart(predicted_against_measured(result, found, held), key="against")
    st.caption(
        f"Predicted in five folds against measured on {plain(result.protocol)}. {len(found.masks)} of "
        f"{result.surrogate.masks} coalitions. A score below 1e-5 is that of a ruined model and is drawn as 1e-5."
    )
    st.header("Residuals by number of layers kept")
    parts.show_chart(residuals_by_size(result, found, held), key="residuals")
    st.caption(
        "Above zero, the set is better than predicted. Bands: 90 % predictive intervals, those of the Gaussian process "
        "on the log score whatever kind is on show."
    )
    alt = "Measured and held-out predicted perplexity of each coalition"
    show_table(held_out_table(result, found, held), alt, f"held-out-{result.run}")


def show_bands(result: RunResult) -> None:
    """How wide the intervals are, and whether they hold."""
    st.header("Do the intervals hold?")
    st.markdown(
        "How far a predicted perplexity may be off: nine of ten measured ones are within this factor of it, by the "
        "same folds. The third column tests that on coalitions that had no part in setting the factor."
    )
    alt = "Width and held-out coverage of predictive intervals by number of layers kept"
    st.dataframe(band_table(result), hide_index=True, alt=alt)


def show_curve(result: RunResult, curve: tuple[Step, ...]) -> None:
    """What more measurements would bring."""
    st.header("Learning curve")
    st.markdown(
        f"**{plain(result.surrogate.name)}**, learnt from a part of the coalitions and always tested on the "
        "same held-out "
        "ones. Where the curve is flat, more coalitions would change little."
    )
    parts.show_chart(learning_curve(result, curve), key="curve")
    table = pd.DataFrame({"learnt from": step.masks, "R²": step.r2, "Spearman": step.spearman} for step in curve)
    st.dataframe(table, hide_index=True, alt="R² and rank correlation by number of coalitions learnt from")


if chosen is not None and chosen.result is not None:
    show_standing(chosen, shared)
    shown, above = chosen.result, st.container()
    show_kinds(shown)
    diagnostics = queries.diagnostics(shared.database, chosen.run) if chosen.status == "finished" else None
    if diagnostics is not None:
        show_held_out(shown, diagnostics)
        show_bands(shown)
        show_curve(shown, diagnostics.curve)
        show_beyond(shown, diagnostics.beyond)
        show_why(shared.database, chosen, shown)
        with above:  # it takes seconds when it is first asked for: after all else is there
            show_verdict(shared.database, chosen)
    elif chosen.status == "finished":
        st.info(
            "This run ended in an earlier release, which kept no predictions. Run it again on the page Runs: nothing "
            "is measured anew, everything comes from the cache."
        )
    else:
        st.info("Predictions are held against measurements at the end of a run: finish this one on the page Runs.")
