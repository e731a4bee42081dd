"""The command that asks models the items of lm-eval's tasks."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from app.cli.opening import database_of, engine_on
from app.cli.terminal import returned, say
from app.requests import located
from cache import queries
from cache.database import Database
from core.coalitions.players import names
from core.errors import RunNotFound, TaskError
from core.paths import user_path
from core.records.behaviour.needs import ADAPTED
from core.records.behaviour.task_scores import OWN_TASKS, ModelScores
from core.records.spec import ModelInfo, RunSpec

_MODEL = ("model", "dtype", "device", "players", "protect")  # what of a request says which model, and its players


def tasks(options: argparse.Namespace) -> None:
    """Accuracy of the whole model, and of it without some layers, on tasks."""
    check_installed(options.tasks)
    database = database_of(options)
    spec, plans = _asked(database, options)
    removals: list[Sequence[int | str]] = [(), *options.remove, *plans]
    from core.tasks.answering import Questions, answered  # with torch, and data sets

    folder = user_path(options.data) if options.data is not None else None
    questions = Questions(options.tasks, folder, options.limit, options.shots)
    asked = partial(answered, spec=spec, questions=questions, removals=removals)
    model, found = returned(engine_on(database).lend(asked))
    answer = {
        "model": asdict(model),
        "scores": [{**asdict(one), "removed": names(model.players, one.removed)} for one in found],
    }
    say(options.json, answer, "\n".join(_lines(model, found)))


def check_installed(tasks: Sequence[str]) -> None:
    """TaskError where lm-eval is not there, and one of the tasks is not our own."""
    if {*tasks} <= {*OWN_TASKS, *ADAPTED}:
        return
    try:
        version("lm_eval")
    except PackageNotFoundError as cause:
        raise TaskError(
            "Tasks need lm-eval, which is not installed.",
            "Install it with `pip install --no-deps -r requirements-tasks.lock`, from Quorum's folder; or ask for "
            f"{', '.join(OWN_TASKS)}, which need nothing.",
        ) from cause


def _asked(database: Database, options: argparse.Namespace) -> tuple[RunSpec, list[tuple[int, ...]]]:
    """The model that is asked, and its stored plans of the counts of --plan."""
    if options.run is None:
        if options.plan:
            options.misused("--plan names a plan of a run: name the run")
        return located(RunSpec(**{name: getattr(options, name) for name in _MODEL})), []
    if any(getattr(options, name) != getattr(RunSpec(), name) for name in _MODEL):
        options.misused("a run names its own model: leave out --model, --dtype, --device, --players and --protect")
    run = queries.find_run(database, options.run)
    return located(run.resolved), plans_of(database, run, options.plan)


def plans_of(database: Database, run: queries.StoredRun, counts: Sequence[int]) -> list[tuple[int, ...]]:
    """What the last search removes for some counts.

    Raises:
        RunNotFound: there was no search, or it has no such plan.
    """
    found = queries.find_selection(database, run.run) if counts else None
    known = {plan.count: plan.removed for plan in found.plans} if found is not None else {}
    missing = [count for count in counts if count not in known]
    if missing:
        raise RunNotFound(
            f"Run {run.run} has no plan of {missing[0]} removed players.",
            f"Search for plans first: python -m app select {run.run}",
        )
    return [known[count] for count in counts]


def _lines(model: ModelInfo, found: Sequence[ModelScores]) -> list[str]:
    """A table with a row for each task and metric, and a column for each removal."""
    heads = [
        "whole" if not one.removed else f"-{','.join(map(str, names(model.players, one.removed)))}" for one in found
    ]
    widths = [max(len(head), 15) for head in heads]
    lines = [
        f"{model.source}, {model.dtype} on {model.device}; a standard error behind each figure",
        f"{'task':18s}{'metric':12s}{'items':>6s}"
        + "".join(f"  {head:>{width}s}" for head, width in zip(heads, widths, strict=True)),
    ]
    for task, *others in zip(*(one.tasks for one in found), strict=True):
        for place, metric in enumerate(task.metrics):
            cells = [metric, *(other.metrics[place] for other in others)]
            told = [f"{cell.value:.4f}" + (f" ± {cell.error:.4f}" if cell.error is not None else "") for cell in cells]
            lines.append(
                f"{task.task:18s}{metric.name:12s}{task.items:>6d}"
                + "".join(f"  {text:>{width}s}" for text, width in zip(told, widths, strict=True))
            )
    versions = ", ".join(
        f"{task.task} {task.version} ({task.split}, {task.shots}-shot, {task.source})" for task in found[0].tasks
    )
    whose = "lm-eval's" if any(task.task not in OWN_TASKS for task in found[0].tasks) else "Quorum's own"
    return [*lines, f"{whose} prompts and metrics, one item a forward: {versions}"]
