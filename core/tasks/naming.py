"""The tasks of some names: Quorum's own, and lm-eval's, which is imported where one of its is asked for."""

from collections.abc import Sequence
from pathlib import Path

from core.errors import TaskError
from core.records.behaviour.needs import ADAPTED
from core.records.behaviour.task_scores import OWN_TASKS, PAPER_TASKS, SUMS
from core.tasks.named_task import NamedTask
from core.tasks.own.sums import sums


def tasks_named(names: Sequence[str], data: Path | None, shots: int | None, limit: int | None) -> list[NamedTask]:
    """The tasks of some names, ready to ask their first items; all but AGREEMENT, whose items are the model's to say.

    Args:
        names: as lm-eval has them, or of OWN_TASKS, which need no data.
        data: a folder with a JSONL file for each of lm-eval's; None takes each task's own data set from the Hub.
        shots: solved examples before each item; None takes each task's own number.
        limit: items of each; None takes all.

    Raises:
        TaskError: nobody knows a task, or its items cannot be had; before any forward.
    """
    if not names or len(set(names)) < len(names):
        raise TaskError(
            "No task, or one twice, is asked for.",
            f"Name some of lm-eval's, or {' or '.join(OWN_TASKS)}: --tasks {','.join(PAPER_TASKS)}",
        )
    for name in names:
        if name in ADAPTED:
            raise TaskError(
                f"{name} has no items of its own.", f"Ask it of a run's coalitions: needs RUN --tasks {name}."
            )
    own = [name for name in names if name in OWN_TASKS]
    if own and shots is not None:
        raise TaskError(
            f"{own[0]} takes no other solved examples than its own.", "Leave --shots out, or ask for it by itself."
        )
    others = [name for name in names if name not in OWN_TASKS]
    found = {SUMS: sums(limit)} if SUMS in names else {}
    if others:
        from core.tasks.harness import tasks_of_lm_eval

        found |= {task.name: task for task in tasks_of_lm_eval(others, data, shots, limit)}
    return [found[name] for name in names if name in found]
