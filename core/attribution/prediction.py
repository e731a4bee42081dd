"""What the surrogate expects of one coalition, how sure that is, and which of the removed layers it blames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.attribution.closed_form import shares
from core.coalitions.masks import without
from core.coalitions.measurements import Measurements
from core.coalitions.worth import LOG_SCORE
from core.records.fits import Band, Prediction, ValueShare
from core.records.results import RunResult
from core.records.values import Z90
from core.surrogate.conformal import band_of, bands, half_of
from core.surrogate.surrogate import Surrogate, fit, learnt_of
from core.surrogate.validation import residuals

# Where the posterior leaves this share of the prior's variance open, little is known.
_OPEN = 0.5
# Of so many removals drawn at random, this share at most is predicted better than one that counts as chosen.
_DRAWN, _RARE = 500, 0.01


@dataclass(frozen=True)
class Predictor:
    """A surrogate of the log score, with the widths of its predictive intervals."""

    surrogate: Surrogate
    bands: tuple[Band, ...]  # at least one

    def predict(self, removed: Sequence[int]) -> Prediction:
        """The perplexity without some layers, one or more, and its 90 % predictive interval.

        Of a set that stands out by its prediction, what such sets fall short by is taken off, and the interval is that
        of the posterior: it knows what is known near this very set, where a band is of sets drawn at random. It begins
        where nothing is taken off: a set that was found by measuring, as a search does it, owes nothing to luck, and
        nobody can tell it by its layers.
        """
        measured, process = self.surrogate.measured, self.surrogate.process
        mask = without(measured.masks.shape[1], removed)
        pruned, whole = process.predict(np.stack([mask, np.ones_like(mask)]))
        expected = float(pruned - whole)  # the whole model's log score is 0
        short = 0.0
        band, width = band_of(self.bands, int(mask.sum())), half_of(self.bands, int(mask.sum()))
        if self._is_chosen(mask, float(pruned)):
            deviation = float(process.deviation(mask[None])[0])
            short = self.surrogate.optimism * deviation
            expected -= short
            noise = process.scale**2 * process.kernel.noise
            width = Z90 * process.overconfidence() * float(np.sqrt(deviation**2 + noise))
        dense = float(measured.dense.mean())
        with np.errstate(over="ignore"):
            low, middle, high = (float(np.exp(dense - expected + off)) for off in (-short - width, 0, width))
        gone = tuple(sorted(removed))
        blamed = zip(gone, shares(process, gone), strict=True)
        parts = tuple(ValueShare(layer, float(share)) for layer, share in blamed)
        return Prediction(gone, middle, low, high, self._is_far(mask), parts, band, short)

    def _is_chosen(self, mask: NDArray[np.bool_], predicted: float) -> bool:
        """Whether it is predicted better than nearly all removals of as many layers.

        That is what people choose for its prediction, or are offered. It follows from the set alone, so that one set
        has one prediction wherever it is shown.
        """
        size = int(mask.sum())
        if not 0 < size < len(mask):
            return False
        order = np.random.default_rng(0).random((_DRAWN, len(mask))).argsort(axis=1)
        return float((self.surrogate.process.predict(order < size) > predicted).mean()) <= _RARE

    def _is_far(self, mask: NDArray[np.bool_]) -> bool:
        """Whether it keeps fewer or more layers than what was measured, or is unlike all of it."""
        process = self.surrogate.process
        prior = process.scale * np.sqrt(process.kernel.variance)
        beyond = self.surrogate.measured.is_beyond(int(mask.sum()))
        return bool(beyond or process.deviation(mask[None])[0] > prior * _OPEN**0.5)


def explained(measured: Measurements, removed: Sequence[int], seed: int, known: RunResult | None = None) -> Prediction:
    """The prediction without some layers, also before a run has finished, with the share of each of them.

    Args:
        measured: the coalitions to learn from.
        removed: layers, one or more.
        seed: of the folds.
        known: a run of this game, whose surrogate and intervals are taken where it has kept them.
    """
    measured.check_enough()
    learnt = learnt_of(known, LOG_SCORE.name, measured)
    if known is not None and learnt is not None:
        widths = known.bands
    else:
        widths = bands(measured.masks, residuals(measured, seed), seed)
    return Predictor(fit(measured, learnt=learnt), widths).predict(removed)
