"""What the dashboard's own process estimates from stored measurements, remembered until more is measured.

Arguments that begin with an underscore are not part of what a result is remembered by.
"""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.audited import audited
from app.dashboard import reads
from app.predicted import fitted
from cache import evaluations
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.breakdown import Breakdown, breakdown
from core.attribution.named_values import layer_values, pair_interactions
from core.attribution.prediction import Predictor
from core.coalitions.measurements import FEWEST_MASKS, Floats
from core.coalitions.worth import LOG_SCORE, LOSSES, MEASURED, SCORE, WORTHS
from core.errors import QuorumError
from core.records.audits import Audit
from core.records.fits import Band
from core.records.values import Contribution, LayerValues, PairInteractions
from core.selection.counterexample import Counterexample, by_contribution, by_prediction, find_counterexample
from core.surrogate.conformal import bands
from core.surrogate.surrogate import Surrogate
from core.surrogate.validation import residuals

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Valued:
    """One kind of value of every layer: the mean with its intervals, and at each stratum (strata, n)."""

    items: tuple[Contribution, ...]
    by_stratum: Floats
    basis: str  # what it rests on, in words


def valued(database: Database, run: StoredRun, kind: str, worth: str) -> Valued:
    """The values of layers; those that the run itself has found where these are asked for."""
    result = run.result
    assert result is not None
    if (kind, worth) == ("stratified", SCORE.name) and run.kept is not None:
        rests = reads.basis(database, run)
        if result.is_exact:
            return Valued(result.overall, np.array(result.by_stratum), f"Exact: every coalition was measured ({rests})")
        how = f"Estimated by a surrogate ({rests}): {result.surrogate.name}, as the run found them"
        return Valued(result.overall, np.array(result.by_stratum), how)
    found, apart = _values(_key(database, run), kind, worth, database, run), taken_apart(database, run, kind, worth)
    items = tuple(
        Contribution(item.layer, item.value, item.low, item.high, float(half))
        for item, half in zip(found.values, apart.calibration, strict=True)
    )
    return Valued(items, apart.by_stratum, basis(database, run, found))


def basis(database: Database, run: StoredRun, found: LayerValues | PairInteractions) -> str:
    """What values rest on, in words: the first part of a sentence."""
    rests = reads.basis(database, run, WORTHS[found.worth].measured)
    if found.surrogate is None:
        return f"Exact: every coalition was measured ({rests})"
    worth = WORTHS[found.worth].label
    quality = f"R² of the {worth} {found.surrogate.r2:.3f} on {found.surrogate.masks} coalitions that it has not seen"
    far = f"; {found.extrapolated:.1%} of it rests on sizes that were never measured (extrapolated)"
    return f"Estimated by a surrogate ({rests}): {found.surrogate.name}, {quality}" + (
        far if found.extrapolated >= 0.0005 else ""
    )


def taken_apart(database: Database, run: StoredRun, kind: str, worth: str) -> Breakdown:
    """The values by stratum and by calibration sequence."""
    return _breakdown(_key(database, run), kind, worth, database, run)


def pairs(database: Database, run: StoredRun, kind: str, worth: str) -> PairInteractions:
    """The interactions of layers; those that the run itself has found where these are asked for."""
    if (kind, worth) == ("local", LOG_SCORE.name) and run.kept is not None and run.kept.interactions is not None:
        return run.kept.interactions
    return _pairs(_key(database, run), kind, worth, database, run)


def lacks(database: Database, run: StoredRun, worth: str) -> bool:
    """Whether what a worth follows from, beside losses, is not measured yet of enough coalitions."""
    measured = WORTHS[worth].measured
    return measured != LOSSES and reads.basis(database, run, measured).total < FEWEST_MASKS


def lacking(run: StoredRun, worth: str, command: str = "values") -> str:
    """How to have it measured, in a sentence."""
    measures = f"`python -m app {command} {run.run} --worth {worth}`"
    return f"{WORTHS[worth].measured} is not measured yet. This measures it: {measures}"


def surrogate(database: Database, run: StoredRun) -> Surrogate:
    """A surrogate of the log score, of what the run's estimates rest on."""
    return _surrogate(_key(database, run), database, run)


def predictor_of(database: Database, run: StoredRun) -> Predictor | None:
    """Predictions by what the run's estimates rest on, at once; None while it has no predictive intervals."""
    if run.result is None or not run.result.bands:
        return None
    try:
        return Predictor(surrogate(database, run), widths(database, run))
    except QuorumError:  # too little is left of what the run measured
        return None


def widths(database: Database, run: StoredRun) -> tuple[Band, ...]:
    """The widths of predictive intervals: the run's own, or a refit's; none while the run goes on."""
    assert run.result is not None
    return run.result.bands if run.kept is not None else _widths(_key(database, run), database, run)


def counterexample(database: Database, run: StoredRun, path: str) -> Counterexample | None:
    """Where removing layers one by one goes wrong: by `contribution` (the run's own) or by `prediction`."""
    return _counterexample(_key(database, run), path, database, run)


def audit_of(database: Database, run: StoredRun) -> Audit | None:
    """What holds of a finished run; None where too little is left of what it measured."""
    further = reads.usable(database, run.game), repr(reads.selection(database, run.run))
    try:
        return _audit((*_key(database, run), str(run.changed), *further), database, run)
    except QuorumError:
        return None


def _key(database: Database, run: StoredRun) -> Key:
    """By what changes the estimates of a run: its result, and which evaluations they rest on.

    While a run goes on, its own estimates tell: not every coalition.
    """
    assert run.result is not None
    known: Key = ()
    if run.status != "running":
        rests = (reads.basis(database, run, measured) for measured in MEASURED)
        known = tuple(number for basis in rests for number in (basis.own, basis.further))
    return str(database.file), run.run, run.status, run.result.surrogate.masks, run.refit or 0, *known


@st.cache_data(max_entries=16, show_spinner="Estimating values …")
def _values(key: Key, kind: str, worth: str, _database: Database, _run: StoredRun) -> LayerValues:
    return layer_values(
        evaluations.measured_for(_database, _run, worth), kind, worth, _run.strata, _run.spec.seed, _run.kept
    )


@st.cache_data(max_entries=16, show_spinner="Taking values apart …")
def _breakdown(key: Key, kind: str, worth: str, _database: Database, _run: StoredRun) -> Breakdown:
    return breakdown(
        evaluations.measured_for(_database, _run, worth), kind, worth, _run.strata, _run.spec.seed, _run.kept
    )


@st.cache_data(max_entries=8, show_spinner="Estimating interactions …")
def _pairs(key: Key, kind: str, worth: str, _database: Database, _run: StoredRun) -> PairInteractions:
    measured = evaluations.measured_for(_database, _run, worth)
    return pair_interactions(measured, kind, worth, _run.spec.seed, _run.kept)


@st.cache_resource(max_entries=4, show_spinner="Fitting the surrogate …")
def _surrogate(key: Key, _database: Database, _run: StoredRun) -> Surrogate:
    return fitted(_database, _run)


@st.cache_data(max_entries=4, show_spinner="Testing predictions …")
def _widths(key: Key, _database: Database, _run: StoredRun) -> tuple[Band, ...]:
    measured, seed = evaluations.measurements(_database, _run), _run.spec.seed
    return bands(measured.masks, residuals(measured, seed), seed)


@st.cache_data(max_entries=8, show_spinner="Looking for a better removal …")
def _counterexample(key: Key, path: str, _database: Database, _run: StoredRun) -> Counterexample | None:
    fitted = surrogate(_database, _run)
    assert _run.result is not None
    steps = by_contribution(_run.result.overall) if path == "contribution" else by_prediction(fitted)
    return find_counterexample(fitted, steps)


@st.cache_data(max_entries=16, show_spinner="Auditing the run …")
def _audit(key: Key, _database: Database, _run: StoredRun) -> Audit:
    return audited(_database, _run)
