"""What the surrogate expects of one coalition, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.conformal import band_of
from core.masks import without
from core.results import Band, Prediction
from core.surrogate import Surrogate

# Where the posterior leaves this share of the prior's variance open, little is known.
_OPEN = 0.5


@dataclass(frozen=True)
class Predictor:
    """A surrogate of the log score, with the widths of its predictive intervals."""

    surrogate: Surrogate
    bands: tuple[Band, ...]  # at least one

    def predict(self, removed: Sequence[int]) -> Prediction:
        """The perplexity without some layers, one or more, and its 90 % predictive interval."""
        measured, process = self.surrogate.measured, self.surrogate.process
        mask = without(measured.masks.shape[1], removed)
        pruned, whole = process.predict(np.stack([mask, np.ones_like(mask)]))
        expected = float(pruned - whole)  # the whole model's log score is 0
        band = band_of(self.bands, int(mask.sum()))
        dense = float(measured.dense.mean())
        with np.errstate(over="ignore"):
            low, middle, high = (float(np.exp(dense - expected + half)) for half in (-band.half, 0, band.half))
        return Prediction(tuple(sorted(removed)), middle, low, high, self._is_far(mask), (), band)

    def _is_far(self, mask: NDArray[np.bool_]) -> bool:
        """Whether it keeps fewer layers than what was measured, or is unlike all of it."""
        process = self.surrogate.process
        prior = process.scale * np.sqrt(process.kernel.variance)
        few = mask.sum() < self.surrogate.measured.fewest_kept
        return bool(few or process.deviation(mask[None])[0] > prior * _OPEN**0.5)
