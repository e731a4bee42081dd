"""Sets of 1, 2, 3, … layers to remove, with what they cost: a search's, the paper's, and those of other methods.

All are on the run's own text, so that they stand on one curve. Nothing here knows of a session or an address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.dashboard import reads
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.prediction import Predictor
from core.records.plans import OURS
from core.records.results import RunResult
from core.selection.removal_paths import knee, least_contributing
from core.selection.targets import ACCEPTED


@dataclass(frozen=True)
class Step:
    """A set that the slider stops at, and its perplexity on the run's text, as far as it is known."""

    removed: tuple[int, ...]
    perplexity: float | None
    low: float = np.nan  # 90 %, of the measured ratio to the whole model for other text, or of the prediction
    high: float = np.nan
    source: str = ""  # measured, predicted or extrapolated


Steps = Mapping[int, Step]  # by the number of removed layers, ascending
Rivals = Mapping[str, Sequence[Step]]  # by method, what it chose, as measured on the run's text


def best(database: Database, run: StoredRun) -> Steps:
    """The plans of the last search; none before it.

    Where a plan is not measured on the run's own text, its ratio on the search's is taken times the whole model's
    perplexity.
    """
    result, found = run.result, reads.selection(database, run.run)
    assert result is not None
    steps, dense, plans = {}, result.dense_perplexity, found.plans if found is not None else ()
    measured = reads.all_known(database, run, [plan.removed for plan in plans])
    for plan in plans:
        elsewhere = dense * plan.ratio, dense * plan.ratio_low, dense * plan.ratio_high
        perplexity, low, high = measured.get(plan.removed, elsewhere)
        steps[plan.count] = Step(plan.removed, perplexity, low, high, "measured")
    return steps


def ranked(database: Database, run: StoredRun, predictor: Predictor | None) -> Steps:
    """The paper's ranking as sets of 1 to half of the layers, measured or predicted."""
    result = run.result
    assert result is not None
    steps = {}
    sets = [least_contributing(result.overall, count) for count in range(1, 1 + len(result.model.players) // 2)]
    measured = reads.all_known(database, run, sets)
    for count, removed in enumerate(sets, 1):
        if removed in measured:
            steps[count] = Step(removed, *measured[removed], "measured")
        elif predictor is not None:
            told = predictor.predict(removed)
            source = "extrapolated" if told.extrapolated else "predicted"
            steps[count] = Step(removed, told.perplexity, told.low, told.high, source)
        else:
            steps[count] = Step(removed, None)
    return steps


def choices(database: Database, run: StoredRun) -> Rivals:
    """What each other method chose in the last comparison, where it is measured on the run's own text."""
    found = reads.comparison(database, run.run)
    others = [one for one in found.methods if one.method != OURS and not one.mends] if found is not None else []
    measured = reads.all_known(database, run, [plan.removed for method in others for plan in method.plans])
    drawn = {
        method.method: [
            Step(plan.removed, *measured[plan.removed], "measured") for plan in method.plans if plan.removed in measured
        ]
        for method in others
    }
    return {name: steps for name, steps in drawn.items() if steps}


def compensated(database: Database, run: StoredRun) -> Rivals:
    """The best plans of the last search after compensation, by its name, as far as they are known.

    Their ratio to the whole model on the text of the search is taken times its perplexity on the run's.
    """
    result, found = run.result, reads.selection(database, run.run)
    if result is None or found is None:
        return {}
    scale = result.dense_perplexity / found.dense_perplexity
    return {
        f"best after {judged.how}": [
            Step(plan.removed, scale * plan.perplexity, scale * plan.low, scale * plan.high, "measured")
            for plan in judged.best()
        ]
        for judged in reads.compensated(database, run.run, found)
    }


def usual(result: RunResult, steps: Steps) -> tuple[int, ...]:
    """The largest set within `ACCEPTED` of the whole model's perplexity; where there is none, the one at the knee."""
    if count := most_within(result, steps, ACCEPTED):
        return steps[count].removed
    return steps[bend(result, steps) or min(steps)].removed


def most_within(result: RunResult, steps: Steps, accepted: float) -> int | None:
    """The largest number of layers whose set is at most so much worse, a share; None where none is."""
    limit = result.dense_perplexity * (1 + accepted)
    return max(
        (n for n, step in steps.items() if step.perplexity is not None and step.perplexity <= limit), default=None
    )


def bend(result: RunResult, steps: Steps) -> int | None:
    """The count at which the curve of sets of 1, 2, 3, … layers bends, if it does."""
    known = [step.perplexity for step in steps.values() if step.perplexity is not None]
    if list(steps) != list(range(1, 1 + len(known))):
        return None
    return knee([0.0, *np.log(np.array(known) / result.dense_perplexity).tolist()]) or None
