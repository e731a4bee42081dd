"""Which layers a task needs: the game whose coalitions are worth how well they answer it.

A coalition's worth is a mean over items, so that each item takes the place that a sequence has where worth is the loss:
its loss is the answer's margin, or accuracy, turned round. The log score of such a loss is what the answers lose on
average, and values of layers follow from it as they do for text (`attribution.named_values`).
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.attribution.named_values import layer_values, pair_interactions
from core.coalitions.masks import Masks
from core.coalitions.measurements import Measurements
from core.coalitions.players import mask_without
from core.coalitions.ranks import rank_correlation
from core.coalitions.worth import LOG_SCORE
from core.errors import TaskError
from core.evaluate.game import Games
from core.records.behaviour.needs import ACCURACY, FEWEST_ITEMS, TaskNeeds
from core.records.behaviour.task_scores import AGREEMENT
from core.records.events import Event, Stage
from core.records.spec import ModelInfo, RunSpec
from core.records.storage import Store
from core.tasks.answering import Questions, answers, asked, prepared
from core.tasks.items import Item
from core.tasks.named_task import NamedTask
from core.tasks.task_plans import planning
from core.tasks.worths import check_worth, halves_of, worths


@dataclass(frozen=True)
class Estimates:
    """What is estimated of each task."""

    kind: str  # of value (core.records.values.VALUES)
    worth: str  # margin or accuracy
    strata: Sequence[int]  # numbers of kept layers, for stratified values
    pairs: str | None = None  # the interaction of pairs (core.records.values.INTERACTIONS)
    plans: Mapping[int, tuple[int, ...]] = field(default_factory=dict)  # plans for the text, by their counts
    protected: Sequence[int] = ()  # players that stay in plans


def needing(
    store: Store, games: Games, spec: RunSpec, questions: Questions, masks: Masks, wanted: Estimates
) -> Generator[Event, None, tuple[ModelInfo, list[TaskNeeds]]]:
    """What each layer adds to the answers to some tasks, over the same coalitions for all.

    Args:
        store: keeps every answer, and is asked first.
        games: opens the model.
        spec: names the model, its dtype, its device and its players; and the seed.
        questions: the tasks and their items.
        masks: the coalitions (masks, players); the whole model is asked, too.
        wanted: what is estimated. For each count of its plans, one for the task is looked for, and both are judged.

    Raises:
        QuorumError: before any forward if the request is wrong; what has been stored stays in any case.
    """
    _check_agreement(spec, questions, wanted.worth)
    loaded, tasks, items = yield from asked(games, spec, questions, lambda players: mask_without(players, ()))
    _check(tasks, items, wanted.worth)
    every = np.concatenate([np.ones_like(masks[:1]), masks])
    found = yield from answers(store, loaded, items, every)
    needs = []
    for task, some in zip(tasks, items, strict=True):
        yield Stage(f"Estimating what {task.name} needs")
        losses = -worths(task, some, found, wanted.worth)
        measured = Measurements(masks, losses[1:], losses[0])
        plans = yield from planning(
            store, loaded, task, some, measured, wanted.worth, wanted.plans, wanted.protected, spec.seed
        )
        needs.append(replace(estimated(task, measured, wanted, spec.seed), plans=plans))
    return loaded.info, needs


def checking(
    store: Store, games: Games, spec: RunSpec, questions: Questions, worth: str
) -> Generator[Event, None, None]:
    """Ends where `needing` would begin to measure: before a run whose coalitions it asks.

    Raises:
        QuorumError: `needing` would refuse the request.
    """
    _check_agreement(spec, questions, worth)
    del store  # which `Engine.lend` gives to all that it lends itself to
    _check(*(yield from prepared(games, spec, questions, lambda players: mask_without(players, ()))), worth)


def _check_agreement(spec: RunSpec, questions: Questions, worth: str) -> None:
    """TaskError for what agreement cannot be asked, whose items only the model can say."""
    if AGREEMENT not in questions.tasks:
        return
    if worth != ACCURACY:
        raise TaskError(f"{AGREEMENT} has no {worth}.", "Use --answers accuracy, or as the worth of a run agreement.")
    if (windows := questions.limit or spec.sequences) < FEWEST_ITEMS:
        raise TaskError(f"{AGREEMENT} has {windows} items here.", f"Give it {FEWEST_ITEMS} or more: --limit N.")


def _check(tasks: Sequence[NamedTask], items: Sequence[Sequence[Item]], worth: str) -> None:
    """TaskError for a task of too few items, or one whose answers have no such worth."""
    for task, some in zip(tasks, items, strict=True):
        if len(some) < FEWEST_ITEMS:
            raise TaskError(f"{task.name} has {len(some)} items here.", f"Give it {FEWEST_ITEMS} or more.")
        for item in some:
            check_worth(task, item, worth)


def estimated(task: NamedTask, measured: Measurements, wanted: Estimates, seed: int) -> TaskNeeds:
    """What each layer adds, without plans.

    Args:
        task: what is asked.
        measured: the coalitions; an item counts as a sequence.
        wanted: what is estimated.
        seed: of halves and folds.
    """
    items, worth = len(measured.dense), LOG_SCORE.name
    halves = []
    for half in halves_of(items, seed):
        part = Measurements(measured.masks, measured.losses[:, half], measured.dense[half])
        halves.append([item.value for item in layer_values(part, wanted.kind, worth, wanted.strata, seed).values])
    return TaskNeeds(
        task=task.name,
        version=task.version,
        shots=task.shots,
        split=task.split,
        items=items,
        source=task.source,
        answers=wanted.worth,
        masks=len(measured),
        values=layer_values(measured, wanted.kind, worth, wanted.strata, seed),
        halves=rank_correlation(*map(np.array, halves)),
        pairs=pair_interactions(measured, wanted.pairs, worth, seed) if wanted.pairs is not None else None,
    )
