"""The command that holds a run's claims against what was measured."""

import argparse
from dataclasses import asdict

from app.cli.opening import database_of
from app.cli.terminal import say
from cache import queries
from core.records.audits import CLAIMS


def audit(options: argparse.Namespace) -> int:
    """Every claim of a run held against what was measured; the exit status is 1 if one fails, or none can be told."""
    from app.audited import audited

    database = database_of(options)
    found = audited(database, queries.find_run(database, options.run))
    lines = [f"audit of run {found.run}, {found.own:,} coalitions", ""]
    for name, part in found.parts.items():
        lines.append(f"{part.state:7}  {CLAIMS[name]}: {part.says}")
        if part is found.coalitions:
            lines += [f"{'':9}{size.kept} kept: {size.inside} of {size.of}" for size in found.coalitions.sizes]
    answer = {"sound": found.sound, "verdict": found.verdict, **asdict(found)}
    say(options.json, answer, "\n".join(lines))
    return 0 if found.sound else 1
