"""The commands that write what pages show: the report of a run, and its figures with their data."""

import argparse

from app.cli.opening import database_of
from app.cli.terminal import say
from app.commands.export_commands import chosen
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.players import mask_without, names
from core.errors import RunNotFound
from core.export.target import check_file, check_target
from core.unfinished import unfinished


def report(options: argparse.Namespace) -> None:
    """Writes the file that the page Export offers for the same removal, byte for byte."""
    from app.export.report import report_of

    database = database_of(options)
    run, removed = _asked(database, options)
    out = check_file(options.out)
    content = report_of(database, run, removed)
    with unfinished(out) as file:
        file.write_bytes(content)
    gone = _names(run, removed)
    answer = {"path": str(out), "run": run.run, "removed": gone, "bytes": len(content)}
    say(options.json, answer, f"{out}: run {run.run} without layers {_listed(gone)}, {len(content):,} bytes")


def figures(options: argparse.Namespace) -> None:
    """Writes each figure of a run, and its data."""
    from app.export.figure_files import write_figures

    database = database_of(options)
    run, removed = _asked(database, options)
    out = check_target(options.out)
    written = write_figures(database, run, removed, out)
    gone = _names(run, removed)
    answer = {"path": str(out), "run": run.run, "removed": gone, "files": written}
    lines = [f"{out}: the figures of run {run.run} without layers {_listed(gone)}", *written]
    if "plans.svg" not in written:
        lines.append("No Chromium or Chrome drew SVG here: the button in each HTML file saves it.")
    say(options.json, answer, "\n".join(lines))


def _asked(database: Database, options: argparse.Namespace) -> tuple[StoredRun, tuple[int, ...]]:
    """The run, and the removal: the one that the options name, or else the one that pages show first.

    Raises:
        RunNotFound: there is no such run, it has found nothing yet, or no plans where one is asked for.
        SelectionError: these layers cannot be removed.
    """
    run = queries.find_run(database, options.run)
    if run.result is None:
        raise RunNotFound(f"Run {run.run} is {run.status} and has found nothing yet.", "Start it again to go on.")
    if options.remove is None and options.count is None and options.plan is None:
        from app.export.run_figures import usual_removal

        return run, usual_removal(database, run)
    removed = tuple(sorted(chosen(database, options, run.result)))
    mask_without(run.result.model.players, removed)
    return run, removed


def _names(run: StoredRun, removed: tuple[int, ...]) -> list[int | str]:
    assert run.result is not None
    return names(run.result.model.players, removed)


def _listed(gone: list[int | str]) -> str:
    return ", ".join(map(str, gone))
