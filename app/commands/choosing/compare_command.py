"""The command `compare`: ours and the literature's methods, on text that none has seen."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.cli.best_plans import plan_objects
from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, say
from core.coalitions.players import names
from core.records.events import Compared
from core.records.plans import USUAL_METHODS, Comparison, MethodResult, methods_for
from core.records.spec import RunSpec


def compare(options: argparse.Namespace, spec: RunSpec) -> None:
    """Ours and the rivals: each chooses on the calibration windows, and all are judged on others."""
    from core.baselines.compare import Match

    methods = options.methods or methods_for(spec.players, USUAL_METHODS)
    match = Match(methods, options.counts, options.units, options.compensate, options.fit)
    done = follow(engine_on(database_of(options)).compare(spec, match))
    assert isinstance(done, Compared)
    found = done.comparison
    objects = [_method_object(method, found) for method in found.methods]
    say(options.json, {**asdict(found), "methods": objects}, "\n".join(_lines(found)))


def _method_object(method: MethodResult, found: Comparison) -> dict[str, Any]:
    """One method for a program, with its players by name."""
    after = [
        {"count": plan.count, **asdict(plan), "removed": names(found.model.players, plan.removed)}
        for plan in method.compensated
    ]
    plans = plan_objects(method.plans, found.model)
    return {**asdict(method), "plans": plans, "compensated": after, "exportable": method.exportable}


def _lines(found: Comparison) -> list[str]:
    """A comparison for a person."""
    counts = sorted({plan.count for method in found.methods for plan in method.plans})
    head = f"{'removed':12s}{''.join(f'{count:10d}' for count in counts)}"
    lines = [
        f"perplexity of {found.model.source} on {found.evaluation}",
        f"chosen on {found.calibration}; dense perplexity {found.dense_perplexity:.2f}",
        "compute of all counts together, in units of SLEB's path to two fifths of the layers by plain forwards:",
        "plain, each coalition for itself, and shared, what coalitions have in common computed once",
        f"{head}  coalitions     plain    shared",
    ]
    for method in found.methods:
        row = _row({plan.count: plan.perplexity for plan in method.plans}, counts)
        lines.append(f"{method.method:12s}{row}  {method.coalitions:10d}  {method.plain:8.2f}  {method.shared:8.2f}")
    for method in found.methods:
        if method.mends:
            beside = (
                "its own compensation, without which `export` writes its choices"
                if method.exportable
                else "a matrix at run time, which nothing can export"
            )
            lines.append(f"{method.method} is measured with {beside}")
    if found.compensation != "none":
        lines += ["", f"after {found.compensation} of the same choices, fitted on {found.fitted}", head]
        for method in found.methods:
            row = _row({plan.count: plan.perplexity for plan in method.compensated}, counts)
            lines.append(f"{method.method:12s}{row}")
    return lines


def _row(perplexities: dict[int, float], counts: Sequence[int]) -> str:
    """The perplexities under their counts, and nothing where there is none."""
    return "".join(f"{perplexities[count]:10.2f}" if count in perplexities else f"{'':10s}" for count in counts)
