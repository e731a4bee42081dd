"""What `select --for draft` measures and says: plans as drafts of the whole model, and the one that gains most time."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from app.cli.terminal import returned
from core.coalitions.players import are_halves, names
from core.records.behaviour.drafts import LENGTHS, Drafts
from core.records.behaviour.speeds import Ratio
from core.records.behaviour.writes import Share
from core.records.plans import Plan
from core.records.spec import RunSpec

if TYPE_CHECKING:
    from core.run.engine import Engine


def measured_drafts(engine: "Engine", spec: RunSpec, plans: Sequence[Plan]) -> Drafts:
    """Acceptance and cost of every plan."""
    from core.drafting.gains import drafting  # with torch

    found: Drafts = returned(engine.lend(partial(drafting, spec=spec, plans=plans)))
    return found


def draft_object(found: Drafts) -> dict[str, Any]:
    """For a program."""
    return {
        "prompts": found.prompts,
        "tokens": found.tokens,
        "lengths": [LENGTHS[0], LENGTHS[-1]],
        "protocol": asdict(found.protocol),
        "machine": {"device": found.model.device, "dtype": found.model.dtype, "threads": found.threads},
        "plans": [
            {**asdict(plan), "removed": names(found.model.players, plan.removed), "gains": plan.gains}
            for plan in found.plans
        ],
        "best": found.best.count if found.best else None,
    }


def draft_lines(found: Drafts, run: str) -> list[str]:
    """For a person: a row for each plan, and what is to be said of them."""
    model, how = found.model, found.protocol
    return [
        f"drafts for the whole model {model.source}, measured on {model.device} ({found.threads} threads), "
        f"{model.dtype}; ±: standard error",
        f"accepted: of {found.plans[0].acceptance.of:,} tokens that it writes greedily after {found.prompts} stored "
        "prompts, those that the draft finds likeliest, too",
        f"cost: a draft's token over its own; {how.tokens} behind a prompt of {how.prompt}, {how.runs - how.warm_up} "
        f"runs of both in turn after {how.warm_up} to warm up",
        f"speed-up: expected, with as many tokens at a time as gain most, of {LENGTHS[0]} to {LENGTHS[-1]} "
        "(Leviathan et al. 2023, Theorem 3.8)",
        f"{'removed':>7s}{'accepted':>16s}{'cost':>16s}{'at a time':>11s}{'speed-up':>16s}  layers",
        *(
            f"{plan.count:7d}{_share(plan.acceptance):>16s}{_ratio(plan.cost):>16s}{plan.length:11d}"
            f"{_ratio(plan.speedup):>16s}  {','.join(map(str, names(model.players, plan.removed)))}"
            for plan in found.plans
        ),
        "",
        *_verdict(found, run),
    ]


def _verdict(found: Drafts, run: str) -> list[str]:
    best = found.best
    if best is None:
        return [
            "No plan gains: none is expected to be faster than the whole model alone by more than two standard errors; "
            f"the most is {found.most.speedup.value:.2f} times. Nothing is offered."
        ]
    gone = names(found.model.players, best.removed)
    loading = f"quorum.draft(model, {gone}, tokens={best.length})"
    if are_halves(list(map(str, gone))):  # which stay, as zeros, and are no layers that a draft in memory could lack
        loading = f"the folder of `export {run} --plan {best.count}`"
    return [
        f"The best: {best.count} removed, {best.length} tokens at a time, {best.speedup.value:.2f} times as fast as "
        "the whole model alone, if reading several tokens takes it as long as reading one.",
        f"In a notebook: model.generate(**inputs, do_sample=False, assistant_model=draft), where draft is {loading}",
    ]


def _share(share: Share) -> str:
    return f"{share.value:.1%} ± {share.error:.1%}"


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.value:.3f} ± {ratio.error:.3f}"
