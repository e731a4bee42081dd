"""What the surrogate expects of one coalition, also before a run has finished."""

from collections.abc import Sequence

from core.attribution.prediction import Predictor
from core.coalitions.measurements import Measurements
from core.coalitions.worth import LOG_SCORE
from core.records.fits import Prediction
from core.records.results import RunResult
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit, learnt_of
from core.surrogate.validation import residuals


def explained(measured: Measurements, removed: Sequence[int], seed: int, known: RunResult | None = None) -> Prediction:
    """The prediction without some layers, with the share of each of them.

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
