"""The predictions of a run in the dashboard's own process, so that they are there at once."""

from app.dashboard import estimated
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.prediction import Predictor
from core.errors import QuorumError


def predictor_of(database: Database, run: StoredRun) -> Predictor | None:
    """Fitted to everything measured in the run's game; None while the run has no predictive intervals."""
    if run.result is None or not run.result.bands:
        return None
    try:
        return Predictor(estimated.surrogate(database, run), run.result.bands)
    except QuorumError:  # too little is left of what the run measured
        return None
