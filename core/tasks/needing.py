"""Which layers a task needs: the game whose coalitions are worth how well they answer it.

A coalition's worth is a mean over items, so that each item takes the place that a sequence has where worth is the loss:
its loss is the answer's margin, or accuracy, turned round. The log score of such a loss is what the answers lose on
average, and values of layers follow from it as they do for text (`attribution.named_values`).
"""

from collections.abc import Generator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.attribution.named_values import layer_values
from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.players import mask_without
from core.coalitions.ranks import rank_correlation
from core.coalitions.worth import LOG_SCORE
from core.errors import TaskError
from core.evaluate.game import Games
from core.records.behaviour.needs import ACCURACY, TaskNeeds
from core.records.behaviour.task_scores import Answer
from core.records.events import Event, Stage
from core.records.spec import ModelInfo, RunSpec
from core.records.storage import Store
from core.tasks.answering import Questions, answers, asked
from core.tasks.harness import NamedTask
from core.tasks.items import Item

_FEWEST_ITEMS = 4  # two in each half


def needing(
    store: Store,
    games: Games,
    spec: RunSpec,
    questions: Questions,
    masks: Masks,
    kind: str,
    worth: str,
    strata: Sequence[int],
) -> Generator[Event, None, tuple[ModelInfo, list[TaskNeeds]]]:
    """What each layer adds to the answers to some tasks, over the same coalitions for all.

    Args:
        store: keeps every answer, and is asked first.
        games: opens the model.
        spec: names the model, its dtype, its device and its players; and the seed.
        questions: the tasks and their items.
        masks: the coalitions (masks, players); the whole model is asked, too.
        kind: of value (core.records.values.VALUES).
        worth: margin or accuracy.
        strata: numbers of kept layers, for stratified values.

    Raises:
        QuorumError: before any forward if the request is wrong; what has been stored stays in any case.
    """
    loaded, tasks, items = yield from asked(games, spec, questions, lambda players: mask_without(players, ()))
    for task, some in zip(tasks, items, strict=True):
        if len(some) < _FEWEST_ITEMS:
            raise TaskError(f"{task.name} has {len(some)} items here.", f"Give it {_FEWEST_ITEMS} or more.")
        for item in some:
            _check(task, item, worth)
    every = np.concatenate([np.ones_like(masks[:1]), masks])
    found = yield from answers(store, loaded, items, every)
    needs = []
    for task, some in zip(tasks, items, strict=True):
        yield Stage(f"Estimating what {task.name} needs")
        losses = -worths(task, some, found, worth)
        needs.append(_needs(task, Measurements(masks, losses[1:], losses[0]), kind, worth, strata, spec.seed))
    return loaded.info, needs


def _check(task: NamedTask, item: Item, worth: str) -> None:
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


def _needs(
    task: NamedTask, measured: Measurements, kind: str, worth: str, strata: Sequence[int], seed: int
) -> TaskNeeds:
    items = len(measured.dense)
    order = np.random.default_rng(seed).permutation(items)
    halves = []
    for half in (order[: items // 2], order[items // 2 :]):
        part = Measurements(measured.masks, measured.losses[:, half], measured.dense[half])
        halves.append([item.value for item in layer_values(part, kind, LOG_SCORE.name, strata, seed).values])
    return TaskNeeds(
        task=task.name,
        version=task.version,
        shots=task.shots,
        split=task.split,
        items=items,
        source=task.source,
        answers=worth,
        masks=len(measured),
        values=layer_values(measured, kind, LOG_SCORE.name, strata, seed),
        halves=rank_correlation(*map(np.array, halves)),
    )
