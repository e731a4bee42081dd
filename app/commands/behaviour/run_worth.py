"""A run that goes on to a task: the coalitions that it measured on text answer the items, as `needs` has them do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands.behaviour.needed import needed
from app.commands.behaviour.task_commands import check_installed
from cache import queries
from cache.database import Database
from core.errors import SelectionError
from core.records.behaviour.needs import ACCURACY, ANSWERS, TaskNeeds
from core.records.behaviour.task_scores import AGREEMENT, SUMS
from core.records.spec import RunSpec

if TYPE_CHECKING:
    from core.tasks.answering import Questions

VALUE = PAIRS = "shapley"  # what is estimated of the task; `needs` gives others, from the same answers
Lend = Callable[[Callable[..., Any]], Any]


@dataclass(frozen=True)
class TaskWorth:
    """What a run's coalitions are worth besides what they are on its text."""

    answers: str  # margin or accuracy
    questions: "Questions"  # one task

    def check(self, spec: RunSpec, lend: Lend) -> None:
        """Before the run measures anything: QuorumError for what `needed` would refuse after it."""
        from core.tasks.needing import checking  # with torch

        lend(partial(checking, spec=spec, questions=self.questions, worth=self.answers))

    def needed(self, database: Database, run: str, lend: Lend) -> list[TaskNeeds]:
        """Values and pairs of a finished run's layers for the task, and its own plan for each of the last search's."""
        asked = partial(
            needed,
            database=database,
            run=queries.find_run(database, run),
            questions=self.questions,
            value=VALUE,
            answers=self.answers,
            masks=None,
            pairs=PAIRS,
            plans=None,
        )
        return list(lend(asked))


def task_worth(worth: str | None, data: Path | None, limit: int | None) -> TaskWorth | None:
    """What was asked for as KIND:TASK, or as agreement with the whole model on unseen text, if anything was.

    Args:
        worth: the kind of ANSWERS, and the name of the task; or AGREEMENT alone.
        data: the folder of its items; None takes its data set from the Hub.
        limit: its first items; None takes all.

    Raises:
        QuorumError: no such kind, no task, or lm-eval is not installed.
    """
    if worth is None:
        if data is not None or limit is not None:
            raise SelectionError("Items are given, and no task.", "Name one: --worth margin:arc_easy.")
        return None
    kind, _, task = f"{ACCURACY}:{AGREEMENT}".partition(":") if worth == AGREEMENT else worth.partition(":")
    if kind not in ANSWERS or not task or "," in task:
        forms = " or ".join(f"{kind}:TASK" for kind in ANSWERS)
        hint = f"Use {forms}, with one task of lm-eval, or {SUMS}, which needs no data; or {AGREEMENT}."
        raise SelectionError(f"{worth!r} is no worth of a task.", hint)
    check_installed((task,))
    from core.tasks.answering import Questions  # with torch, and data sets

    return TaskWorth(kind, Questions((task,), data, limit))
