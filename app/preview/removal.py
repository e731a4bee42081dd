"""Which layers are switched off: what the address or this session says, or else the furthest that is still good.

The sets that the slider goes through are the best plans of a search, or the paper's ranking before there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.dashboard import estimated, reads, state
from app.dashboard.measured import all_known
from app.words import Players, named, numbers
from cache.database import Database
from cache.queries import StoredRun
from core.errors import SelectionError
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


def best(database: Database, run: StoredRun) -> Steps:
    """The plans of the last search; none before it.

    Where a plan is not measured on the run's own text, its ratio on the search's is taken times the whole model's
    perplexity.
    """
    result, found = run.result, reads.selection(database, run.run)
    assert result is not None
    steps, dense, plans = {}, result.dense_perplexity, found.plans if found is not None else ()
    measured = all_known(database, run, [plan.removed for plan in plans])
    for plan in plans:
        elsewhere = dense * plan.ratio, dense * plan.ratio_low, dense * plan.ratio_high
        perplexity, low, high = measured.get(plan.removed, elsewhere)
        steps[plan.count] = Step(plan.removed, perplexity, low, high, "measured")
    return steps


def ranked(database: Database, run: StoredRun) -> Steps:
    """The paper's ranking as sets of 1 to half of the layers, measured or predicted."""
    result, predictor = run.result, estimated.predictor_of(database, run)
    assert result is not None
    steps = {}
    sets = [least_contributing(result.overall, count) for count in range(1, 1 + len(result.model.players) // 2)]
    measured = all_known(database, run, sets)
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


def current(run: StoredRun, steps: Steps) -> tuple[int, ...]:
    """The removal on show: the address's, when a page is entered; else the session's; else the usual one.

    Raises:
        SelectionError: the address asks for what there is not; it stays as it is until something is chosen.
    """
    assert run.result is not None
    players = run.result.model.players
    if state.is_removal_asked():
        state.remove(run.run, _asked(players, steps))
    found = state.removal(run.run)
    if found is None:
        found = usual(run.result, steps)
        state.remove(run.run, found)
    state.show_removal(named(players, found, ","))
    return found


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


def _asked(players: Players, steps: Steps) -> tuple[int, ...]:
    """What the address switches off: the layers that it names (?remove=3,7), or the set of so many (?k=6).

    Raises:
        SelectionError: there are no such layers, or no set of so many.
    """
    names, count = state.removal_in_address(), state.count_in_address()
    if names is not None:
        return numbers(players, names)
    known = {"0": (), **{str(size): step.removed for size, step in steps.items()}}
    if count not in known:
        raise SelectionError(f"There is no set of k={count} layers to remove here.", f"There are: {', '.join(known)}.")
    return known[count]
