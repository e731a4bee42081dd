"""The commands that choose layers: predictions, and plans."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, partial

from app.cli.arguments import machines_of
from app.cli.best_plans import HEADER, NO_CACHE, plan_lines, plan_objects
from app.cli.compensated import asked_compensation
from app.cli.opening import asked_run, database_of, engine_on
from app.cli.terminal import follow, say
from app.commands.behaviour.draft_commands import draft_lines, draft_object, measured_drafts
from app.commands.choosing.compensated_plans import (
    check_compensated,
    compensated,
    compensated_lines,
    compensated_object,
)
from app.words import uncached
from cache import evaluations, queries
from cache.basis import asked, counted
from cache.behaviour import plan_traits
from core.coalitions.players import indexes, names
from core.records.events import Selected
from core.records.plans import Plan, Selection
from core.selection.plan_limits import Limits
from core.selection.targets import Request, Target, usual_units


def predict(options: argparse.Namespace) -> None:
    """What the surrogate expects without some layers, and which of them it blames."""
    from core.attribution.prediction import explained

    database = database_of(options)
    run = asked_run(database, options)
    players = queries.players(database, run)
    seen = evaluations.measurements(database, run)
    found = explained(seen, indexes(players, options.remove), run.spec.seed, run.kept)
    rests = counted(database, asked(database, run))
    measured = evaluations.measured_without(database, run.game, len(players), found.removed)
    band, removed = found.band, names(players, found.removed)
    shares = [{**asdict(share), "layer": names(players, [share.layer])[0]} for share in found.shares]
    far = ", extrapolated: far from every coalition that was measured" if found.extrapolated else ""
    layers = f"without layers {','.join(map(str, removed))}"
    if measured is None:
        first = f"perplexity {found.perplexity:.2f} {layers}: predicted, not measured{far}"
    elif seen.perplexity(found.removed) is not None:
        first = f"perplexity {measured[0]:.2f} {layers}: measured (the surrogate, which has learnt from it, says "
        first += f"{found.perplexity:.2f})"
    else:
        first = f"perplexity {measured[0]:.2f} {layers}: measured (was predicted as {found.perplexity:.2f}{far})"
    lines = [
        first,
        f"by a surrogate ({rests})",
        f"90 % predictive interval {found.low:.2f} to {found.high:.2f}; "
        + (
            f"predicted better than nearly all of its size: {found.optimism:.4f} nats a token are taken off"
            if found.optimism
            else f"with {band.sizes} kept, it held {band.coverage:.0%} of {band.masks} masks without a part in it"
        ),
        "what each removed layer takes from the log score, nats a token:",
        *(f"{share['layer']:>5} {share['value']:9.4f}" for share in sorted(shares, key=lambda share: share["value"])),
    ]
    lost = uncached(run.result.model, found.removed) if run.result is not None else ""
    lines += [lost] if lost else []
    answer = {"run": run.run, **asdict(found), "removed": removed, "shares": shares, "uncached": bool(lost)}
    answer |= {"basis": asdict(rests), "measured": None}
    if measured is not None:
        answer["measured"] = dict(zip(("perplexity", "low", "high"), measured, strict=True))
    say(options.json, answer, "\n".join(lines))


def select(options: argparse.Namespace) -> int:
    """The best removals of every count, or for one target; from the last search if it was as large as is asked for.

    Returns:
        The status: 3 if --fail is given, and no plan gains as a draft.
    """
    limits = Limits(tuple(options.max_loss), options.min_speedup)
    if limits != Limits() and (options.count or options.ratio or options.parameters or options.purpose):
        options.misused("--max-loss and --min-speedup choose among all plans, or those within --max-increase")
    database = database_of(options)
    run = queries.find_run(database, options.run)
    target = Target(options.count, options.ratio, options.parameters, options.max_increase)
    players = queries.players(database, run)
    protected = indexes(players, options.protect)
    found = queries.selection(database, run.run, protected)
    units = usual_units(found) if options.units is None else options.units
    request = Request(units, options.most, protected, options.earlier).reaching(target, len(players))
    how, engine = asked_compensation(options), cache(partial(engine_on, database))
    if how is not None:
        check_compensated(options, engine(), run, how, request.units)
    left = request.after(found)
    if left is not None:
        done = follow(engine().select(run.run, run.game, run.resolved, left, machines_of(options)))
        assert isinstance(done, Selected)
        found = done.selection
    assert found is not None
    raised = how is not None and target.max_increase is not None  # more may go with it than without
    plans, drafts = target.within(found)[-1:] if raised else target.choose(found), None
    decided: list[str] = []
    if limits != Limits():
        most = options.most or len(players)
        candidates = [plan for plan in target.within(found) if plan.count <= most]
        known = plan_traits.of_removals(database, found.model, [(), *(plan.removed for plan in candidates)])
        plans = (limits.largest(candidates, known, run.run, players),)
        decided = limits.figures(plans[0], known)
    if options.purpose == "draft":
        within = [plan for plan in plans if options.most is None or plan.count <= options.most]
        drafts = measured_drafts(engine(), run.resolved, within)
        plans = tuple(plan for plan in plans if drafts.best is not None and plan.count == drafts.best.count)
    after = compensated(engine(), run, found, how, target, options) if how is not None else None
    answer = {
        "run": run.run,
        **asdict(found),
        "protected": names(players, found.protected),
        "plans": plan_objects(plans, found.model),
        "nested": plan_objects(found.nested, found.model),
        "limits": decided,
        "draft": draft_object(drafts) if drafts is not None else None,
        "compensated": compensated_object(*after) if after is not None else None,
    }
    lines = _plans(run.run, found, plans) if drafts is None else draft_lines(drafts, run.run)
    lines += compensated_lines(run, found, *after) if after is not None else []
    say(options.json, answer, "\n".join([*lines, *decided]))
    return 3 if options.missed == 3 and not plans else 0


def _plans(run: str, found: Selection, plans: Sequence[Plan]) -> list[str]:
    """Some plans of a search, for a person; where they are all, the nested ones too."""
    text = [
        f"run {run}: {found.model.source}; {found.coalitions} coalitions looked at for {found.compute}",
        f"measured on {found.protocol}",
        f"dense perplexity {found.dense_perplexity:.3f}; ratio: to the dense one; 90 % intervals for other such text",
        HEADER,
        *plan_lines(plans, found.model),
    ]
    if len(plans) == len(found.plans):
        text += ["", "nested, each holds the one before", *plan_lines(found.nested, found.model)]
    lost = [words for plan in (*plans, *found.nested) if (words := uncached(found.model, plan.removed))]
    if lost:
        text += ["", f"{NO_CACHE}: {lost[0]} `select {run} --protect` keeps it."]
    return text
