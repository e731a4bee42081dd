"""A run of a results file with all that it can be held against, and the audit of it."""

from cache import evaluations, queries
from cache.basis import refitted
from cache.database import Database
from cache.queries import StoredRun
from core.audit.audit import audit
from core.audit.evidence import Evidence
from core.coalitions.masks import encode
from core.coalitions.measurements import FEWEST_MASKS, Measurements
from core.errors import RunNotFound
from core.records.audits import Audit
from core.sampling.samplers import begin


def audited(database: Database, run: StoredRun) -> Audit:
    """What holds of a run; it is estimated anew, which takes seconds, and nothing is measured.

    Raises:
        RunNotFound: it has no figures yet.
        SelectionError: too few of its coalitions are there.
    """
    if run.result is None:
        raise RunNotFound(f"Run {run.run} is {run.status} and has found nothing yet.", "Start it again to go on.")
    measured, chosen = evaluations.measurements(database, run), queries.last_selection(database, run.run)
    measured.check_enough()
    return audit(
        Evidence(
            result=run.result,
            finished=run.status == "finished",
            seed=run.spec.seed,
            measured=_in_order(measured, run),
            every=evaluations.measurements(database, refitted(database, run)),
            divergences=_divergences(database, run),
            plans=[plan.removed for plan in (*chosen.plans, *chosen.nested)] if chosen is not None else [],
        )
    )


def _in_order(measured: Measurements, run: StoredRun) -> Measurements:
    """The coalitions in the order in which the run has them: its folds follow from it."""
    assert run.result is not None
    _, masks = begin(run.spec, measured.masks.shape[1])
    own = [*map(encode, masks), *(run.result.added or ())]
    place = {mask: row for row, mask in enumerate(own)}
    rows = sorted(range(len(measured)), key=lambda row: place.get(encode(measured.masks[row]), len(own)))
    return measured[rows]


def _divergences(database: Database, run: StoredRun) -> Measurements | None:
    """The run's coalitions with KL in place of losses, if enough of it was measured."""
    try:
        found = evaluations.divergences(database, run)
    except RunNotFound:
        return None
    return found if len(found) >= FEWEST_MASKS else None
