"""Shapley values of a game that is known in part, held against those that `shap` finds by asking the same game."""

from dataclasses import dataclass

import numpy as np
import shap

from core.attribution.hybrid import averaging, hybrid
from core.attribution.named_values import surrogate_of
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.ranks import rank_correlation
from core.coalitions.worth import WORTHS
from core.records.results import RunResult

# Up to so many layers shap asks for every coalition; beyond it goes through sampled orders, forwards and backwards.
_EXACT, _ORDERS = 12, 200


@dataclass(frozen=True)
class Check:
    """How far the two are apart, in the units of the worth."""

    largest_difference: float
    largest_value: float
    spearman: float
    orders: int | None  # that shap's estimates come from; None: they are exact


def shapley_check(measured: Measurements, worth: str, seed: int, known: RunResult | None = None) -> Check:
    """Takes the game that `layer_values` takes values of, and asks both for its Shapley values.

    The game of a mask is that of a row of ones, explained against a background of zeros.
    """
    game = hybrid(surrogate_of(measured, worth, seed, known), WORTHS[worth].log)
    layers = measured.masks.shape[1]

    def worths(rows: Floats) -> Floats:
        return game.predict(np.asarray(rows) > 0.5)

    masker = shap.maskers.Independent(np.zeros((1, layers)))
    if layers <= _EXACT:
        orders = None
        theirs = shap.explainers.Exact(worths, masker)(np.ones((1, layers))).values[0]
    else:
        orders = _ORDERS
        explain = shap.explainers.Permutation(worths, masker, seed=seed % 2**32)
        theirs = explain(np.ones((1, layers)), max_evals=orders * (2 * layers + 1), silent=True).values[0]
    [ours] = game.values([averaging("shapley", layers)], seed)
    return Check(
        largest_difference=float(np.abs(ours - theirs).max()),
        largest_value=float(np.abs(ours).max()),
        spearman=rank_correlation(ours, theirs),
        orders=orders,
    )
