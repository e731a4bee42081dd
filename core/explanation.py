"""What the surrogate expects of one coalition, from measurements alone: no run needs to have finished."""

from collections.abc import Sequence

from core.conformal import bands
from core.measurements import Measurements
from core.prediction import Predictor
from core.results import Prediction
from core.surrogate import fit
from core.validation import residuals


def explained(measured: Measurements, removed: Sequence[int], seed: int) -> Prediction:
    """The prediction without some layers, with the share of each of them.

    Args:
        measured: the coalitions to learn from.
        removed: layers, one or more.
        seed: of the folds.
    """
    measured.check_enough()
    predictor = Predictor(fit(measured, log=True), bands(measured.masks, residuals(measured, seed), seed))
    return predictor.predict(removed)
