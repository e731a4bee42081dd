"""Which plan is meant by a target, once compensation counts: more layers can go than without it."""

from collections.abc import Generator
from dataclasses import replace

from core.errors import TargetMissed
from core.evaluate.game import Games
from core.records.events import Event
from core.records.mends import Compensate, CompensatedPlan, CompensatedPlans
from core.records.plans import Selection
from core.records.spec import RunSpec
from core.records.storage import Store
from core.run.compensating.finalists_judged import judging_finalists
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
    units: float | None = None,
) -> Generator[Event, None, tuple[CompensatedPlans, tuple[CompensatedPlan, ...]]]:
    """Compensates what a target needs to be known, and chooses for it; arguments as of `judging_finalists`.

    Returns:
        All that was judged, and of it the plan for the target, or the best of every count.

    Raises:
        TargetMissed: no plan reaches the target after compensation, either.
        QuorumError: as of `judging_finalists`.
    """

    def judging(*counts: int) -> Generator[Event, None, CompensatedPlans]:
        return judging_finalists(
            store, games, run=run, game=game, spec=spec, found=found, how=how, counts=counts, units=units
        )

    if target.max_increase is None:
        judged = yield from judging(*(plan.count for plan in target.choose(found)))
        return judged, judged.best()
    limit = (1 + target.max_increase) * found.dense_perplexity
    chosen: tuple[CompensatedPlan, ...] = ()
    every: list[CompensatedPlan] = []
    # Plans within the limit without compensation are within it with it: the next larger ones are asked.
    first = max((plan.count for plan in target.within(found)), default=1)
    for count in range(first, found.plans[-1].count + 1):
        judged = yield from judging(count)
        every += judged.judged
        [best] = judged.best()
        if best.perplexity > limit:
            break
        chosen = (best,)
    if not chosen:
        least = min(plan.perplexity for plan in every) / found.dense_perplexity - 1
        raise TargetMissed(
            f"No plan reaches this target after {how.how}, either.",
            f"The least increase of {first} removed is {least:.1%}.",
        )
    return replace(judged, judged=tuple(every)), chosen
