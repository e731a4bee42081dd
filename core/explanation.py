"""Why the surrogate expects what it expects of one coalition: which of the removed layers it blames."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shap

from core.conformal import bands
from core.gaussian import GaussianProcess
from core.measurements import Floats, Measurements
from core.prediction import Predictor
from core.results import Prediction, ValueShare
from core.surrogate import fit
from core.validation import residuals

# More removed layers than this have too many coalitions to enumerate.
_EXACT = 10


def explained(measured: Measurements, removed: Sequence[int], seed: int) -> Prediction:
    """The prediction without some layers, with the share of each of them.

    Args:
        measured: the coalitions to learn from.
        removed: layers, one or more.
        seed: of folds and orders.
    """
    measured.check_enough()
    predictor = Predictor(fit(measured, log=True), bands(measured.masks, residuals(measured, seed), seed))
    found = predictor.predict(removed)
    shares = _decompose(predictor.surrogate.process, measured.masks.shape[1], list(found.removed), seed)
    pairs = zip(found.removed, shares, strict=True)
    return replace(found, shares=tuple(ValueShare(layer, float(value)) for layer, value in pairs))


def _decompose(process: GaussianProcess, layers: int, removed: list[int], seed: int) -> Floats:
    """The Shapley values of the game whose players are the removed layers, by `shap`; nothing removed is worth 0."""

    def worth(gone: Floats) -> Floats:
        masks = np.ones((len(gone), layers), dtype=np.bool_)
        masks[:, removed] = gone < 0.5
        return process.predict(masks)

    if len(removed) == 1:
        return worth(np.ones((1, 1))) - worth(np.zeros((1, 1)))
    masker = shap.maskers.Independent(np.zeros((1, len(removed))))
    if len(removed) <= _EXACT:
        explain = shap.explainers.Exact(worth, masker)
    else:
        explain = shap.explainers.Permutation(worth, masker, seed=seed % 2**32)
    return np.asarray(explain(np.ones((1, len(removed)))).values[0], dtype=np.float64)
