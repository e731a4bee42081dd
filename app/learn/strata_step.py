"""Step 6 of the page Learn: which sizes of coalitions are worth measuring."""

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import binom

from app.dashboard.tables import show_table
from app.learn.coalition_figures import scores_by_size
from app.learn.games import COST, LAYERS, made_up_model
from app.learn.step_parts import Own, look_for, show, show_chips, step
from core.coalitions.masks import everything
from core.coalitions.measurements import Floats
from core.sampling.strata import default_strata

# Below this score a model is called ruined here.
_RUINED = 0.1


def strata(own: Own | None) -> None:
    """Step 6: which sizes to draw."""
    step(
        "6. Which coalitions are worth measuring?",
        "Of all coalitions, nearly all keep about half of the layers, and a model without half of its layers is "
        "ruined: they all look alike, and teach nothing. So a run draws by *strata*: a few sizes near the whole model, "
        "each equally often.",
    )
    picture, (left, *numbers) = st.container(), st.columns([2, 1.3, 1.3], vertical_alignment="bottom")
    cost = left.slider("What a missing layer costs, nats a token", 0.1, 1.0, COST, 0.1)
    scores, kept = np.exp(made_up_model(cost)).ravel(), everything(LAYERS).sum(axis=1)
    sizes = default_strata(LAYERS)
    drawn = np.isin(np.arange(LAYERS + 1), sizes) / len(sizes)
    numbers[0].metric(f"Ruined (score below {_RUINED}) if all are drawn alike", f"{(scores < _RUINED).mean():.0%}")
    by_strata = np.mean([(scores[kept == size] < _RUINED).mean() for size in sizes])
    numbers[1].metric(f"If drawn by strata {', '.join(map(str, sizes))}", f"{by_strata:.0%}")
    with picture:
        show(scores_by_size(kept, scores, _binomial(LAYERS), drawn, "made up"), key="sizes")
        look_for("The score falls off a cliff. The blue bars above pile up where there is nothing left to see.")
    _size_table(kept, scores, "strata", "the made-up model")
    with st.container(border=True):
        if own is None:
            st.markdown("**On your run.** The scores of your own model appear here once there is a run.")
        else:
            _own_sizes(own)


def _own_sizes(own: Own) -> None:
    """The measured scores of the reader's run by size."""
    kept, scores = own.measured.masks.sum(axis=1), own.measured.scores
    uniform = _binomial(own.layers)
    fewest = int(own.measured.fewest_kept)
    st.markdown(
        f"**On your run.** {(scores < _RUINED).mean():.0%} of {len(scores)} measured coalitions have a score below "
        f"{_RUINED}. Of all coalitions, {uniform[:fewest].sum():.0%} keep fewer than {fewest} of {own.layers} "
        "layers, where hardly anything was measured."
    )
    shares = np.bincount(kept, minlength=own.layers + 1) / len(kept)
    show(scores_by_size(kept, scores, uniform, shares, "measured"), key="own-sizes")
    _size_table(kept, scores, "own-strata", "your run")
    show_chips(own, "coalition", "worth", "strata", "perplexity", "dense")


def _size_table(kept: Floats, scores: Floats, name: str, whose: str) -> None:
    by_size = pd.DataFrame({"layers kept": kept, "score": scores}).groupby("layers kept")["score"]
    frame = by_size.agg(["count", "min", "median", "max"]).reset_index().rename(columns={"count": "coalitions"})
    show_table(frame, f"Scores of coalitions of {whose} by number of layers kept", name)


def _binomial(layers: int) -> Floats:
    """The share of each size 0..n among all coalitions."""
    return np.asarray(binom.pmf(np.arange(layers + 1), layers, 0.5))
