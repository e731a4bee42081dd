"""Step 4 of the page Learn: values from sampled orders, and how their error falls."""

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard.tables import show_table
from app.learn.games import COST, LAYERS, made_up_model, shapley, table
from app.learn.sampling_figures import error_curve, error_table, estimate_bars
from app.learn.step_parts import Own, look_for, show, show_chips, step
from app.words import labels
from core.attribution.closed_form import measure, values
from core.attribution.permutations import draw, estimate, marginals
from core.coalitions.measurements import Floats

_ORDERS = (2, 5, 10, 20, 50, 100, 200, 500)
# A surrogate of thirty layers takes longer to ask than a table.
_OWN_ORDERS = 100
_OTHER_SAMPLES, _OTHER_OWN_SAMPLES = 40, 10


@st.cache_data(max_entries=4, show_spinner=False)
def _made_up_gains(seed: int) -> Floats:
    """Marginal contributions in sampled orders, (samples, orders, n); the first sample is the seed's."""
    worth = table(made_up_model(COST))
    drawn = [draw(LAYERS, _ORDERS[-1], seed + sample) for sample in range(1 + _OTHER_SAMPLES)]
    return np.stack([marginals(worth, orders) for orders in drawn])


@st.cache_data(max_entries=4, show_spinner="Asking your surrogate, order by order …")
def _own_gains(run: str, measured: int, seed: int, _own: Own) -> Floats:
    """The same by the surrogate of a run, which is another one once more is measured."""
    drawn = [draw(_own.layers, _OWN_ORDERS, seed + sample) for sample in range(1 + _OTHER_OWN_SAMPLES)]
    return np.stack([marginals(_own.surrogate.process.predict, orders) for orders in drawn])


def sampling(own: Own | None) -> None:
    """Step 4: sampled orders."""
    step(
        "4. What if there are too many orders?",
        f"Three players have 6 orders, ten have 3,628,800. So draw some at random: each is a fair guess, and their "
        f"mean comes closer the more there are. A made-up model of {LAYERS} layers will do: its "
        "exact values are known.",
    )
    picture, turned = st.container(), st.columns([2, 2, 1], vertical_alignment="bottom")
    games = ["The made-up model", *(["The surrogate of your run"] if own is not None else [])]
    game = turned[1].segmented_control("Game", games, default=games[0], required=True)
    seed = turned[2].number_input("Seed", 0, 9999, 0)
    yours = own if game != games[0] else None
    if yours is not None:
        exact = values(yours.surrogate.process, measure("shapley", yours.layers))
        gains, players = _own_gains(yours.run.run, len(yours.measured), seed, yours), yours.players
    else:
        exact = shapley(made_up_model(COST))
        gains, players = _made_up_gains(seed), tuple(map(str, range(LAYERS)))
    count = turned[0].select_slider("Orders sampled", [few for few in _ORDERS if few <= gains.shape[1]], 20)
    found, half = estimate(gains[0, :count])
    with picture:
        left, right = st.columns(2)
        with left:
            show(estimate_bars(found, half, exact, players), key="estimates")
        with right:
            show(error_curve(gains[0], gains[1:], exact, count), key="errors")
        look_for(
            f"{(np.abs(found - exact) <= half).sum()} of {len(found)} intervals hold the exact value; nine of ten "
            "should, in the long run. Ten times better takes a hundred times as many orders."
        )
    left, right = st.columns(2)
    with left:
        frame = pd.DataFrame({"layer": labels(players), "estimated": found, "90 % ±": half, "exact": exact})
        show_table(frame, "Estimated and exact Shapley value of each layer", "sampling")
    with right:
        show_table(error_table(gains[0], gains[1:], exact), "The error after each order", "errors")
    if yours is not None:
        st.caption(
            "**On your run.** The game is what its surrogate predicts (estimated; small coalitions are extrapolated), "
            "and exact is that game's value, in closed form."
        )
        show_chips(yours, "coalition", "contribution", "surrogate", "90 % interval")
