"""What the surrogate expects of one coalition, how sure that is, and which of the removed layers it blames."""

from collections.abc import Sequence

import numpy as np
import shap
from numpy.typing import NDArray

from core.conformal import band_of, bands
from core.gaussian import GaussianProcess
from core.masks import without
from core.measurements import Floats, Measurements
from core.results import Prediction, ValueShare
from core.surrogate import fit
from core.validation import check_enough, residuals

# More removed layers than this have too many coalitions to enumerate.
_EXACT = 10
# Where the posterior leaves this share of the prior's variance open, little is known.
_OPEN = 0.5


def predict(measured: Measurements, removed: Sequence[int], seed: int) -> Prediction:
    """Predicts the perplexity without some layers.

    Args:
        measured: the coalitions to learn from.
        removed: layers, one or more.
        seed: of folds and orders.
    """
    check_enough(measured)
    layers = measured.masks.shape[1]
    mask = without(layers, removed)
    surrogate = fit(measured, log=True)
    pruned, whole = surrogate.process.predict(np.stack([mask, np.ones_like(mask)]))
    expected = float(pruned - whole)  # the whole model's log score is 0
    band = band_of(bands(measured.masks, residuals(measured, seed), seed), int(mask.sum()))
    dense = float(measured.dense.mean())
    with np.errstate(over="ignore"):
        low, middle, high = (float(np.exp(dense - expected + half)) for half in (-band.half, 0, band.half))
    shares = _decompose(surrogate.process, layers, sorted(removed), seed)
    return Prediction(
        removed=tuple(sorted(removed)),
        perplexity=middle,
        low=low,
        high=high,
        extrapolated=_is_far(surrogate.process, measured, mask),
        shares=tuple(ValueShare(layer, float(value)) for layer, value in zip(sorted(removed), shares, strict=True)),
        band=band,
    )


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


def _is_far(process: GaussianProcess, measured: Measurements, mask: NDArray[np.bool_]) -> bool:
    """Whether it keeps fewer layers than what was measured, or is unlike all of it."""
    prior = process.scale * np.sqrt(process.kernel.variance)
    return bool(mask.sum() < measured.fewest_kept or process.deviation(mask[None])[0] > prior * _OPEN**0.5)
