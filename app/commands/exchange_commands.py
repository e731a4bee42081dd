"""The commands that carry evaluations from one results file to another, as Parquet."""

import argparse
from dataclasses import asdict

from app.cli.opening import database_of
from app.cli.terminal import say
from cache import queries
from cache.exchange.imports import imports, take_out
from cache.exchange.parquet import LARGEST
from cache.exchange.parquet import export_evaluations as exported
from cache.exchange.parquet import import_evaluations as imported
from core.errors import NotEvaluations
from core.export.target import check_file
from core.files import content_of
from core.paths import user_path
from core.unfinished import unfinished


def export_evaluations(options: argparse.Namespace) -> None:
    """Writes everything measured in a run's game."""
    database, out = database_of(options), check_file(options.out)
    content = exported(database, queries.find_run(database, options.run))
    with unfinished(out) as file:
        file.write_bytes(content)
    answer = {"path": str(out), "bytes": len(content)}
    say(options.json, answer, f"{out}: {len(content):,} bytes. Take it in elsewhere: evaluations import {out.name}")


def import_evaluations(options: argparse.Namespace) -> None:
    """Takes in such a file, checked as a whole before anything is written."""
    file = user_path(options.file)
    try:
        content = content_of(file, LARGEST)
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise NotEvaluations(f"{file} cannot be read: {reason}.", "Name a Parquet file.") from cause
    found = imported(database_of(options), content, file.name)
    answer = {
        "evaluations": found.evaluations,
        "fresh": found.fresh,
        "model": asdict(found.model),
        "protocol": asdict(found.protocol),
    }
    text = (
        f"{found.evaluations} evaluations of {found.model.source} ({found.model.dtype}), {found.fresh} of them new; a "
        f"run of the same model and text finds them\n{found.protocol}"
    )
    say(options.json, answer, text)


def list_imports(options: argparse.Namespace) -> None:
    """The files that were taken in."""
    every = imports(database_of(options))
    lines = [
        f"{one.sha256[:12]}  {one.taken:%Y-%m-%d %H:%M}  {one.evaluations:>8,} evaluations  game {one.game}  {one.name}"
        for one in every
    ]
    answer = {"imports": [{**asdict(one), "taken": one.taken.isoformat()} for one in every]}
    say(options.json, answer, "\n".join(lines) or "No evaluations have been taken in.")


def remove_import(options: argparse.Namespace) -> None:
    """Takes out what came with one file."""
    gone = take_out(database_of(options), options.file)
    answer = {**asdict(gone), "taken": gone.taken.isoformat()}
    say(
        options.json, answer, f"{gone.evaluations:,} evaluations of {gone.name} are taken out; what was measured stays."
    )
