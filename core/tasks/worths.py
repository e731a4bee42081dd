"""What a model's answers to a task's items are worth: margins, or accuracies, of each."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.coalitions.measurements import Floats
from core.errors import TaskError
from core.records.behaviour.needs import ACCURACY
from core.records.behaviour.task_scores import Answer
from core.tasks.items import Item
from core.tasks.named_task import NamedTask


def check_worth(task: NamedTask, item: Item, worth: str) -> None:
    """TaskError for an item whose answers have no such worth."""
    if worth == ACCURACY or len(item.tokens) == 1:
        _counted(task, item, Answer((0.0,) * len(item.tokens), (True,) * len(item.tokens)))
    else:
        _right(task, item)


def worths(task: NamedTask, items: Sequence[Item], found: Sequence[Mapping[str, Answer]], worth: str) -> Floats:
    """What answers are worth, (coalitions, items): nats, or 1 for a right one.

    Args:
        task: with its requests written.
        items: all that it asks.
        found: of each coalition the answers, by an item's digest.
        worth: margin or accuracy.
    """
    if worth == ACCURACY:
        return np.array([[_counted(task, item, answers[item.digest]) for item in items] for answers in found])
    rights = [_right(task, item) if len(item.tokens) > 1 else None for item in items]
    return np.array(
        [[_margin(answers[item.digest], right) for item, right in zip(items, rights, strict=True)] for answers in found]
    )


def _margin(answer: Answer, right: NDArray[np.bool_] | None) -> float:
    """How much likelier the best right choice is than the best wrong one; of an answer without choices, how likely."""
    likelihoods = np.array(answer.likelihoods)
    if right is None:
        return float(likelihoods[0])
    return float(likelihoods[right].max() - likelihoods[~right].max())


def _right(task: NamedTask, item: Item) -> NDArray[np.bool_]:
    """Which choices lm-eval counts as right, (choices,): those that it does where they are by far the likeliest."""
    count = len(item.tokens)
    surest = np.where(np.eye(count, dtype=bool), 0.0, -1e6)
    right = np.array([_counted(task, item, Answer(tuple(row), (False,) * count)) > 0.5 for row in surest.tolist()])
    if right.all() or not right.any():
        raise TaskError(
            f"An item of {task.name} has {'no wrong' if right.all() else 'no right'} choice.", "Use --answers accuracy."
        )
    return right


def _counted(task: NamedTask, item: Item, answer: Answer) -> float:
    """lm-eval's accuracy of one answer."""
    results = task.built.process_results(item.document, list(zip(answer.likelihoods, answer.greedy, strict=True)))
    if "acc" not in results:
        raise TaskError(f"lm-eval knows no accuracy of {task.name}.", "Choose another task.")
    return float(results["acc"])


def halves_of(items: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of so many items in two halves, drawn at random."""
    order = np.random.default_rng(seed).permutation(items)
    return order[: items // 2], order[items // 2 :]
