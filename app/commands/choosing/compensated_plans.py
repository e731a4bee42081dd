"""What `select --compensate` asks for and says: the plans that are best once the layers that stay may adapt."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from app.cli.terminal import returned
from cache.queries import StoredRun
from core.coalitions.players import names
from core.records.mends import Compensate, CompensatedPlan, CompensatedPlans
from core.records.plans import Selection
from core.selection.targets import Target

if TYPE_CHECKING:
    from core.run.engine import Engine

Chosen = tuple[CompensatedPlans, tuple[CompensatedPlan, ...]]


def check_compensated(
    options: argparse.Namespace, engine: "Engine", run: StoredRun, how: Compensate, units: float
) -> None:
    """Refuses what cannot be compensated, before anything is searched."""
    from core.run.compensating.finalists_judged import check_finalists  # with torch

    if options.max_loss or options.min_speedup or options.purpose:
        options.misused("--compensate goes with no --max-loss, --min-speedup or --for: they were measured without it")
    returned(engine.lend(partial(check_finalists, spec=run.resolved, how=how, units=units)))


def compensated(
    engine: "Engine", run: StoredRun, found: Selection, how: Compensate, target: Target, options: argparse.Namespace
) -> Chosen:
    """The finalists of a search that a target needs, judged after compensation, and the plans for it."""
    from core.run.compensating.compensated_choice import choosing_compensated  # with torch

    asked = partial(choosing_compensated, run=run.run, game=run.game, spec=run.resolved, found=found)
    chosen: Chosen = returned(
        engine.lend(partial(asked, how=how, target=target, most=options.most, units=options.units))
    )
    return chosen


def compensated_object(judged: CompensatedPlans, plans: Sequence[CompensatedPlan]) -> dict[str, Any]:
    """For a program."""
    players = judged.model.players
    objects = [
        {"count": plan.count, **asdict(plan), "removed": names(players, plan.removed), "chosen": plan in plans}
        for plan in judged.judged
    ]
    return {
        "how": judged.how,
        "protocol": asdict(judged.protocol),
        "fitted": asdict(judged.fitted),
        "held": judged.held,
        "spent": judged.spent,
        "plans": sorted(objects, key=lambda plan: (plan["count"], plan["perplexity"])),
    }


def compensated_lines(
    run: StoredRun, found: Selection, judged: CompensatedPlans, plans: Sequence[CompensatedPlan]
) -> list[str]:
    """For a person: the best plan of each count after compensation, beside the search's own."""
    players, own = judged.model.players, {plan.count: plan.removed for plan in found.plans}
    finalists = len(judged.judged)
    lines = [
        "",
        f"after {judged.how}: the best of {finalists} finalists, fitted on {judged.fitted.sequences} other windows "
        f"of the text, of which the last {judged.held} decide; judged on the sequences above",
        "removed      plain      after      low     high   ratio  cuts  layers",
    ]
    for plan in plans:
        gone = ",".join(map(str, names(players, plan.removed)))
        lines.append(
            f"{plan.count:7d} {plan.plain:10.3f} {plan.perplexity:10.3f} {plan.low:8.2f} {plan.high:8.2f} "
            f"{plan.perplexity / found.dense_perplexity:7.3f} {len(plan.cuts):5d}  {gone}"
            + ("" if plan.removed == own[plan.count] else "  (not the plan without it)")
        )
    if len(plans) == 1:
        gone = ",".join(map(str, names(players, plans[0].removed)))
        lines += [
            "",
            f"to keep it: python -m app export {run.run} --remove {gone} --compensate {judged.how} --out FOLDER",
        ]
    return lines
