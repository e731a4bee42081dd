"""The commands that carry evaluations from one results file to another, as Parquet."""

import argparse
from dataclasses import asdict

from app.cli.opening import database_of
from app.cli.terminal import say
from cache import queries
from cache.parquet import export_evaluations as exported
from cache.parquet import import_evaluations as imported
from core.errors import ExportError, NotEvaluations
from core.paths import user_path
from core.unfinished import unfinished


def export_evaluations(options: argparse.Namespace) -> None:
    """Writes everything measured in a run's game."""
    database, out = database_of(options), user_path(options.out).resolve()
    if out.exists() and (not out.is_file() or out.stat().st_size):
        raise ExportError(f"{out} exists already.", "Name a new file with --out FILE.")
    content = exported(database, queries.find_run(database, options.run))
    with unfinished(out) as file:
        file.write_bytes(content)
    answer = {"path": str(out), "bytes": len(content)}
    say(options.json, answer, f"{out}: {len(content):,} bytes. Take it in elsewhere: evaluations import {out.name}")


def import_evaluations(options: argparse.Namespace) -> None:
    """Takes in such a file, checked as a whole before anything is written."""
    file = user_path(options.file)
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise NotEvaluations(f"{file} cannot be read: {cause.strerror}.", "Name a Parquet file.") from cause
    found = imported(database_of(options), content)
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
