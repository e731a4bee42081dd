"""The surrogate of a run in the dashboard's own process, so that a prediction is there at once."""

from pathlib import Path

import streamlit as st

from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.errors import QuorumError
from core.prediction import Predictor
from core.surrogate import fit


def predictor_of(database: Database, run: StoredRun) -> Predictor | None:
    """Fitted to everything measured in the run's game; None while there is too little of it."""
    if run.result is None or not run.result.bands:
        return None
    return _fitted(str(database.file), run.run, str(run.changed))


@st.cache_resource(max_entries=4, show_spinner="Fitting the surrogate")
def _fitted(file: str, run: str, changed: str) -> Predictor | None:
    database = Database(Path(file))
    stored = queries.find_run(database, run)
    assert stored.result is not None
    try:
        measured = queries.measurements(database, stored)
        measured.check_enough()
    except QuorumError:
        return None
    return Predictor(fit(measured, log=True), stored.result.bands)
