"""Plans as the command line says them: rows of a table, or objects of a program's answer."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core.coalitions.players import names
from core.records.plans import Plan, Selection
from core.records.results import RunResult
from core.records.spec import ModelInfo

NO_CACHE = "(no cache)"  # beside a plan that a hybrid generates slowly with
HEADER = "removed  perplexity      low     high   ratio     low     high   parameters  layers"


def plans_of(result: RunResult, found: Selection | None) -> tuple[dict[str, Any], str]:
    """The plans that a run ends with, for a program and for a person; or how to get them."""
    search = f"python -m app select {result.run}"
    if found is None:
        return {"plans": None, "search": search}, f"no plans yet: {search} searches for the best ones"
    lines = [
        f"best plans by a search of {found.units:.2f} units: ratio to the dense perplexity; {search} looks further",
        HEADER,
        *plan_lines(found.plans, found.model),
    ]
    return {"plans": plan_objects(found.plans, found.model), "search": search}, "\n".join(lines)


def plan_objects(plans: Sequence[Plan], model: ModelInfo) -> list[dict[str, Any]]:
    return [
        {
            **asdict(plan),
            "removed": names(model.players, plan.removed),
            "uncached": model.is_uncached_without(plan.removed),
        }
        for plan in plans
    ]


def plan_lines(plans: Sequence[Plan], model: ModelInfo) -> list[str]:
    return [
        f"{plan.count:7d} {plan.perplexity:11.3f} {plan.low:8.2f} {plan.high:8.2f} {plan.ratio:7.3f} "
        f"{plan.ratio_low:7.3f} {plan.ratio_high:8.3f} {plan.parameters:12,d}  "
        + ",".join(map(str, names(model.players, plan.removed)))
        + (f"  {NO_CACHE}" if model.is_uncached_without(plan.removed) else "")
        for plan in plans
    ]
