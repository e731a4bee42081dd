"""Accuracy on tasks, as a cell gets it."""

from collections.abc import Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import pandas as pd

from app.commands.behaviour.task_commands import check_installed
from app.notebook.given import path_of, texts_of
from app.notebook.sessions import work
from app.requests import located
from cache.database import Database
from core.coalitions.players import names
from core.errors import SelectionError
from core.records.spec import RunSpec

if TYPE_CHECKING:
    from core.tasks.answering import Questions


def task_table(
    database: Database,
    spec: RunSpec,
    tasks: Sequence[str] | str,
    removals: Sequence[Sequence[int | str]],
    data: str | PathLike[str] | None = None,
    limit: int | None = None,
    shots: int | None = None,
) -> pd.DataFrame:
    """A row for each removal, task and metric; what was answered before is not asked again.

    Args:
        database: keeps the answers.
        spec: names the model and its players.
        tasks: of lm-eval, by name, or sums.
        removals: players by name.
        data: a folder of JSON lines, one file a task; None takes each task's data set from the Hub.
        limit: the first items of each task; None takes all.
        shots: solved examples before each item; None takes each task's own number.

    Raises:
        QuorumError: before any forward if the request is wrong; what was answered stays in any case.
    """
    questions = questions_of(tasks, data, limit, shots)
    from core.tasks.answering import answered

    asked = partial(answered, spec=located(spec), questions=questions, removals=removals)
    _, (model, found) = work(database, "lend", asked)
    rows: list[dict[str, Any]] = [
        {
            "removed": list(names(model.players, one.removed)),
            "task": task.task,
            "metric": metric.name,
            "value": metric.value,
            "error": metric.error,
            "items": task.items,
            "version": task.version,
            "shots": task.shots,
            "split": task.split,
            "source": task.source,
        }
        for one in found
        for task in one.tasks
        for metric in task.metrics
    ]
    return pd.DataFrame(rows)


def questions_of(
    tasks: Sequence[str] | str, data: str | PathLike[str] | None, limit: int | None, shots: int | None
) -> "Questions":
    """What is asked, as of `task_table`.

    Raises:
        QuorumError: it cannot be, or lm-eval is not installed.
    """
    named = texts_of(tasks, "tasks")
    check_installed(named)
    from core.tasks.answering import Questions  # with torch, and data sets

    folder = None if data is None else path_of(data, "data")
    for name, number, least in (("limit", limit, 1), ("shots", shots, 0)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
            raise SelectionError(f"{name}={number!r} cannot be used.", f"Give a whole number from {least} on.")
    return Questions(named, folder, limit, shots)
