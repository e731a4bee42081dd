"""Accuracy on tasks, as a cell gets it."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import pandas as pd

from app.commands.behaviour.task_commands import check_installed
from app.notebook.given import integers_of, path_of, texts_of
from app.notebook.progress_bar import follow
from app.panics import named_panics
from app.requests import located
from cache.database import Database
from cache.store import Store
from core.coalitions.players import names
from core.records.spec import RunSpec


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
        tasks: of lm-eval, by name.
        removals: players by name.
        data: a folder of JSON lines, one file a task; None takes each task's data set from the Hub.
        limit: the first items of each task; None takes all.
        shots: solved examples before each item; None takes each task's own number.

    Raises:
        QuorumError: before any forward if the request is wrong; what was answered stays in any case.
    """
    check_installed()
    from core.tasks.answering import answered
    from core.tasks.harness import tasks_named

    limit = None if limit is None else max(integers_of(limit, "limit"))
    shots = shots if not shots else max(integers_of(shots, "shots"))
    asked = tasks_named(texts_of(tasks, "tasks"), None if data is None else path_of(data, "data"), shots, limit)
    with named_panics():
        _, (model, found) = follow(answered(Store(database), located(spec), asked, removals))
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
