"""Which plan is meant by a target, once compensation counts: more layers can go than without it."""

from collections.abc import Generator

from core.errors import TargetMissed
from core.evaluate.game import Games
from core.records.events import Event
from core.records.mends import Compensate, CompensatedPlan, CompensatedPlans
from core.records.plans import Selection
from core.records.spec import RunSpec
from core.records.storage import Store
from core.run.compensating.finalists_judged import check_finalists, judging_finalists
from core.selection.targets import Target


def choosing_compensated(
    store: Store,
    games: Games,
    *,
    run: str,
    game: str,
    spec: RunSpec,
    found: Selection,
    how: Compensate,
    target: Target,
    most: int | None = None,
    units: float | None = None,
) -> Generator[Event, None, tuple[CompensatedPlans, tuple[CompensatedPlan, ...]]]:
    """Compensates what a target needs to be known, and chooses for it.

    Args:
        store, games, run, game, spec, found, how, units: as of `judging_finalists`.
        target: one, or none for the plans of every count.
        most: plans of so many players at most; None: as many as the search has.

    Returns:
        All that was judged, and of it the plan for the target, or the best of every count.

    Raises:
        TargetMissed: no plan reaches the target after compensation, either.
        QuorumError: as of `judging_finalists`.
    """

    asked: set[int] = set()

    def judging(*counts: int) -> Generator[Event, None, CompensatedPlans]:
        asked.update(counts)  # all together, since what they spend is bounded together
        return judging_finalists(
            store, games, run=run, game=game, spec=spec, found=found, how=how, counts=asked, units=units
        )

    yield from check_finalists(store, games, spec=spec, how=how, units=found.units)
    counts = [plan.count for plan in found.plans if most is None or plan.count <= most]
    if target.max_increase is None:
        plans = [plan.count for plan in target.choose(found)]
        judged = yield from judging(*(plans if target != Target() else counts))
        return judged, judged.best()
    limit = (1 + target.max_increase) * found.dense_perplexity
    first = max((plan.count for plan in target.within(found) if plan.count in counts), default=1)
    chosen: CompensatedPlan | None = None
    # On from the largest plan within the limit without compensation, up to the first that misses it; or, where a fit
    # harms that plan itself, back to the first within it.
    for way in (range(first, counts[-1] + 1), range(first - 1, 0, -1)):
        for count in way if chosen is None else ():
            judged = yield from judging(count)
            best = next((plan for plan in judged.best() if plan.count == count), None)
            reached = best is not None and best.perplexity <= limit
            chosen = best if reached else chosen
            if reached != (way.step > 0):
                break
    if chosen is None:
        least = min((plan.perplexity for plan in judged.judged), default=float("inf")) / found.dense_perplexity - 1
        raise TargetMissed(
            f"No plan reaches this target after {how.how}, either.", f"The least increase of any is {least:.1%}."
        )
    return judged, (chosen,)
