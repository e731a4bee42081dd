"""What a run's estimates rest on, learnt: its surrogate, and predictions by it. Nobody here remembers them."""

from cache import evaluations
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.prediction import Predictor
from core.coalitions.worth import LOG_SCORE
from core.errors import QuorumError
from core.surrogate.surrogate import Surrogate, fit_worth


def fitted(database: Database, run: StoredRun) -> Surrogate:
    """A surrogate of the log score.

    Raises:
        RunNotFound, EvaluationError: nothing of the run can be fitted to.
        SelectionError: too few of its coalitions are there.
    """
    measured = evaluations.measurements(database, run)
    measured.check_enough()
    return fit_worth(measured, LOG_SCORE.name, run.kept)


def predictor(database: Database, run: StoredRun) -> Predictor | None:
    """Predictions with the run's own predictive intervals; None where it has none, or too little is left of it."""
    if run.result is None or not run.result.bands:
        return None
    try:
        return Predictor(fitted(database, run), run.result.bands)
    except QuorumError:
        return None
