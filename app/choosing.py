"""The commands that choose layers: predictions, plans, and a comparison of methods."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace

from app.opening import database_of, engine_on, settled
from app.terminal import follow, say
from cache import queries
from core.choices import Plan
from core.events import Compared, Selected
from core.selection import Request, Target
from core.types import RunSpec


def predict(options: argparse.Namespace) -> None:
    """What the surrogate expects without some layers, and which of them it blames."""
    from core.explanation import explained

    database = database_of(options)
    run = queries.find_run(database, options.run)
    found = explained(queries.measurements(database, run), options.remove, run.spec.seed)
    band = found.band
    lines = [
        f"perplexity {found.perplexity:.2f} without layers {','.join(map(str, found.removed))}: predicted, not measured"
        + (", extrapolated: far from every coalition that was measured" if found.extrapolated else ""),
        f"90 % predictive interval {found.low:.2f} to {found.high:.2f}; with {band.fewest} to {band.most} layers kept, "
        f"it held {band.coverage:.0%} of {band.masks} masks without a part in it",
        "what each removed layer takes from the log score, nats a token:",
        *(f"{share.layer:5d} {share.value:9.4f}" for share in sorted(found.shares, key=lambda share: share.value)),
    ]
    say(options.json, {"run": run.run, **asdict(found)}, "\n".join(lines))


def select(options: argparse.Namespace) -> None:
    """The best removals of every count, or for one target; from the last search if it was as large as is asked for."""
    database = database_of(options)
    run = queries.find_run(database, options.run)
    target = Target(options.count, options.ratio, options.parameters, options.max_increase)
    request = Request(options.units, options.most, options.protect)
    request = request.reaching(target, queries.layers(database, run))
    found = queries.selection(database, run.run, request.protected)
    if found is not None:
        request = replace(request, units=max(found.units, request.units), most=max(len(found.plans), request.most))
    if found is None or found.units < request.units or len(found.plans) < request.most:
        done = follow(engine_on(database).select(run.run, run.game, settled(run), request))
        assert isinstance(done, Selected)
        found = done.selection
    plans, path = target.choose(found), found.nested
    text = [
        f"run {run.run}: {found.model.source}; {found.coalitions} coalitions looked at for {found.spent:.2f} units",
        f"measured on {found.protocol}",
        f"dense perplexity {found.dense_perplexity:.3f}; ratio: to the dense one; 90 % intervals for other such text",
        "removed  perplexity      low     high   ratio     low     high   parameters  layers",
        *_rows(plans),
    ]
    if len(plans) == len(found.plans):
        text += ["", "nested, each holds the one before", *_rows(path)]
    say(options.json, {"run": run.run, **asdict(found), "plans": [asdict(plan) for plan in plans]}, "\n".join(text))


def compare(options: argparse.Namespace, spec: RunSpec) -> None:
    """Ours and the rivals: each chooses on the calibration windows, and all are judged on others."""
    from core.comparison import Match

    match = Match(options.methods, options.counts, options.units, options.protect)
    done = follow(engine_on(database_of(options)).compare(spec, match))
    assert isinstance(done, Compared)
    found = done.comparison
    counts = sorted({plan.count for method in found.methods for plan in method.plans})
    lines = [
        f"perplexity of {found.model.source} on {found.evaluation}",
        f"chosen on {found.calibration}; dense perplexity {found.dense_perplexity:.2f}",
        "compute in units of SLEB's path to two fifths of the layers: as published, and here, with shared prefixes",
        f"{'removed':12s}{''.join(f'{count:10d}' for count in counts)}  coalitions     units      here",
    ]
    for method in found.methods:
        by_count = {plan.count: f"{plan.perplexity:10.2f}" for plan in method.plans}
        row = "".join(by_count.get(count, f"{'':10s}") for count in counts)
        lines.append(f"{method.method:12s}{row}  {method.coalitions:10d}  {method.units:8.2f}  {method.spent:8.2f}")
    say(options.json, asdict(found), "\n".join(lines))


def _rows(plans: Sequence[Plan]) -> list[str]:
    return [
        f"{plan.count:7d} {plan.perplexity:11.3f} {plan.low:8.2f} {plan.high:8.2f} {plan.ratio:7.3f} "
        f"{plan.ratio_low:7.3f} {plan.ratio_high:8.3f} {plan.parameters:12,d}  {','.join(map(str, plan.removed))}"
        for plan in plans
    ]
