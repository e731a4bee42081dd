"""Step 5 of the page Learn: a surrogate learns from a few coalitions, and predicts the rest."""

import numpy as np
import pandas as pd
import streamlit as st
from sklearn.metrics import r2_score

from app.dashboard.tables import show_table
from app.learn.coalition_figures import points_table, predicted_against_true
from app.learn.games import COST, LAYERS, learning_curve, made_up_model, measured
from app.learn.sampling_figures import learning_lines
from app.learn.step_parts import Own, look_for, show, show_chips, step
from core.coalitions.masks import everything
from core.coalitions.measurements import FEWEST_MASKS, Floats, Measurements
from core.surrogate.surrogate import fit

_EVALUATIONS = (12, 20, 30, 50, 100, 150)
_SEEDS = 5
_YEAR = 365.25 * 24 * 3600


@st.cache_data(max_entries=1, show_spinner=False)
def _curve() -> list[tuple[int, float, float]]:
    return learning_curve(made_up_model(COST), _EVALUATIONS, _SEEDS)


def surrogate(own: Own | None) -> None:
    """Step 5: learn from a few coalitions, predict the rest."""
    step(
        "5. Why a surrogate?",
        "Each coalition of layers is a model that has to read text. A *surrogate* learns from a few measured ones and "
        "predicts all others; its Shapley values follow from a formula, without another measurement.",
    )
    picture = st.container()
    count = st.select_slider("Coalitions measured, of the 1,024 of the made-up model", _EVALUATIONS, 30)
    game, every = made_up_model(COST), everything(LAYERS)
    seen = measured(game, count, 0)
    predicted = fit(seen).process.predict(every)
    known = np.isin(every @ (1 << np.arange(LAYERS)), seen.masks @ (1 << np.arange(LAYERS))) | every.all(axis=1)
    with picture:
        left, right = st.columns(2)
        with left:
            show(predicted_against_true(predicted, game.ravel(), known, "true"), key="predicted")
        with right:
            show(learning_lines(_curve()), key="learning")
        look_for(
            "With a dozen coalitions both ways are poor. From a few a player on, the surrogate is ahead, and the gap "
            f"grows. The lines are means over {_SEEDS} samples."
        )
    columns = st.columns([1, 1, 1, 1.4], vertical_alignment="bottom")
    columns[0].metric("R² on coalitions not seen", f"{r2_score(game.ravel()[~known], predicted[~known]):.3f}")
    columns[1].metric("Coalitions predicted", f"{(~known).sum():,}")
    layers = columns[2].number_input("Layers of a model", 2, 200, own.layers if own is not None else 32)
    columns[3].metric(
        "Coalitions",
        f"{2**layers:,}" if layers <= 40 else f"{2.0**layers:.1e}",
        f"at one a second, {2.0**layers / _YEAR:,.3g} years",
        delta_color="off",
        delta_arrow="off",
    )
    left, right = st.columns(2)
    with left:
        show_table(points_table(predicted, game.ravel(), known), "Predicted and true log scores", "predicted")
    with right:
        curve = pd.DataFrame(_curve(), columns=["evaluations", "error, sampled orders", "error, surrogate"])
        show_table(curve, "Relative error of Shapley values by evaluations, two ways", "surrogate")
    if own is not None and len(own.measured) > 2 * FEWEST_MASKS:
        with st.container(border=True):
            _own_fit(own)


@st.cache_data(max_entries=32, show_spinner="Learning from your coalitions …")
def _own_predicted(run: str, total: int, count: int, _measured: Measurements) -> Floats:
    """The log score of all `total` coalitions of a run by a surrogate of the first `count`, (total,)."""
    return fit(_measured[np.arange(total) < count]).process.predict(_measured.masks)


def _own_fit(own: Own) -> None:
    """A fit from part of the run's coalitions, tested on the others."""
    total = len(own.measured)
    st.markdown(f"**On your run.** The same with your {total} measured coalitions.")
    picture, (left, right) = st.container(), st.columns([2, 1])
    count = left.slider("Your coalitions to learn from", FEWEST_MASKS, total - FEWEST_MASKS, total // 2)
    learnt = np.arange(total) < count
    predicted = _own_predicted(own.run.run, total, count, own.measured)
    true = own.measured.log_scores
    right.metric(f"R² on the {total - count} others", f"{r2_score(true[~learnt], predicted[~learnt]):.3f}")
    with picture:
        show(predicted_against_true(predicted, true, learnt, "measured"), key="own-predicted")
    show_table(points_table(predicted, true, learnt), "Predicted and measured log scores", "own-predicted")
    st.caption("Predicted by the surrogate against measured.")
    show_chips(own, "coalition", "surrogate", "R²", "measured")
