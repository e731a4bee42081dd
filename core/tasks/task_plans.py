"""Sets of layers that a task is thought to miss least, chosen on one half of its items and judged on the other.

A surrogate of the worth by the first half names promising sets of each size; what was measured counts as measured. The
best of thousands of predictions are the luckiest ones, too, so that what it is unsure of is taken off. These sets, the
layers of least value, and the run's own plan answer the items of that half, and the task's plan is the best of them
with a standard error taken off. On the second half it stands beside the run's own, by items that chose neither. A set
whose answers are no numbers is none of them.
"""

import math
from collections.abc import Generator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.attribution.named_values import layer_values
from core.coalitions.masks import Masks, encode, removed, without
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOG_SCORE
from core.model.model import LoadedModel
from core.records.behaviour.needs import ItemMean, TaskPlan
from core.records.behaviour.task_scores import Answer
from core.records.events import Event, Stage
from core.records.storage import Store
from core.selection.best_sets import best_removals
from core.surrogate.surrogate import fit
from core.tasks.answering import answers
from core.tasks.items import Item
from core.tasks.named_task import NamedTask
from core.tasks.worths import halves_of, worths

_PROMISING = 500  # sets of each size by the expected worth alone, and of them those that answer the items
_FINALISTS = 8


def planning(
    store: Store,
    loaded: LoadedModel,
    task: NamedTask,
    items: Sequence[Item],
    measured: Measurements,
    worth: str,
    of_run: Mapping[int, tuple[int, ...]],
    protected: Sequence[int],
    seed: int,
) -> Generator[Event, None, tuple[TaskPlan, ...]]:
    """A task's own plan of each size.

    Args:
        store: keeps every answer, and is asked first.
        loaded: the model.
        task: with its requests written.
        items: all that it asks.
        measured: coalitions, with what their answers to each item are worth turned round.
        worth: margin or accuracy.
        of_run: the run's own plan of each size.
        protected: players that stay, as they did in these.
        seed: of the halves.
    """
    if not of_run:
        return ()
    choosing, judging = halves_of(len(items), seed)
    first, second = ([items[place] for place in half] for half in (choosing, judging))
    yield Stage(f"Choosing plans for {task.name}")
    players = measured.masks.shape[1]
    own = [without(players, of_run[count]) for count in sorted(of_run)]
    half = Measurements(measured.masks, measured.losses[:, choosing], measured.dense[choosing])
    finalists = _finalists(half, own, protected, seed)
    every = np.concatenate(finalists)
    found = yield from answers(store, loaded, [first], every, spare=True)
    each = _told(task, first, every, found, worth)

    def left(mask: NDArray[np.bool_]) -> float:
        # A ruined model's margins are wild, and their mean is high by chance: what is sure of the loss counts.
        lost = each[encode(mask)] + half.dense
        return float(lost.mean() - lost.std(ddof=1) / math.sqrt(len(first)))

    ranked = [sorted((mask for mask in some if encode(mask) in each), key=left, reverse=True) for some in finalists]
    yield Stage(f"Judging plans for {task.name}")
    judged = yield from _judging(store, loaded, task, second, ranked, own, worth)
    plans = []
    for some, plan in zip(ranked, own, strict=True):
        if some and encode(plan) in judged:
            plans.append(_judged(judged, some[0], plan, len(first)))
        else:
            yield Stage(f"{task.name} gets no numbers without {int((~plan).sum())} players, and no plan of that size")
    return tuple(plans)


def _judging(
    store: Store,
    loaded: LoadedModel,
    task: NamedTask,
    items: Sequence[Item],
    ranked: Sequence[list[NDArray[np.bool_]]],
    own: Sequence[NDArray[np.bool_]],
    worth: str,
) -> Generator[Event, None, dict[str, Floats]]:
    """What answers to items are worth, by mask (items,): of the whole model, the first of each list, the run's plans.

    A first one that gives no numbers leaves its list, and the next is asked.
    """
    while True:
        firsts = [some[0] for some in ranked if some]
        masks = np.unique(np.stack([np.ones_like(own[0]), *firsts, *own]), axis=0)
        found = yield from answers(store, loaded, [items], masks, spare=True)
        each = _told(task, items, masks, found, worth)
        ruined = [some for some in ranked if some and encode(some[0]) not in each]
        if not ruined:
            return each
        for some in ruined:
            del some[0]


def _told(
    task: NamedTask, items: Sequence[Item], masks: Masks, found: Sequence[Mapping[str, Answer]], worth: str
) -> dict[str, Floats]:
    """What the answers of masks are worth, by mask (items,); of those whose answers are all numbers."""
    rows = [row for row, of_mask in enumerate(found) if all(item.digest in of_mask for item in items)]
    values = worths(task, items, [found[row] for row in rows], worth)
    return {encode(masks[row]): value for row, value in zip(rows, values, strict=True)}


def _finalists(
    measured: Measurements, own: Sequence[NDArray[np.bool_]], protected: Sequence[int], seed: int
) -> list[Masks]:
    """The sets of each plan's size that are to answer the items: the plan, promising ones, those of least value.

    In this order: of those whose answers are worth the same, as accuracies of a few items often are, the first counts.
    """
    process, players = fit(measured).process, measured.masks.shape[1]
    known = {mask.tobytes(): value for mask, value in zip(measured.masks, measured.log_scores.tolist(), strict=True)}

    def expected(masks: Masks) -> Floats:
        found = process.predict(masks)
        return np.array([known.get(mask.tobytes(), value) for mask, value in zip(masks, found, strict=True)])

    def surely(masks: Masks) -> Floats:
        unsure = [mask.tobytes() not in known for mask in masks]
        return expected(masks) - np.where(unsure, process.deviation(masks), 0)

    values = layer_values(measured, "shapley", LOG_SCORE.name, (), seed).values
    free = sorted((item.value, item.layer) for item in values if item.layer not in protected)
    every = []
    for plan in own:
        count = int((~plan).sum())
        promising = best_removals(expected, players, count, _PROMISING, protected)
        best = promising[np.argsort(-surely(promising), kind="stable")[:_FINALISTS]]
        least = without(players, [layer for _, layer in free[:count]])
        every.append(np.stack(list({mask.tobytes(): mask for mask in (plan, *best, least)}.values())))
    return every


def _judged(each: Mapping[str, Floats], best: NDArray[np.bool_], own: NDArray[np.bool_], chosen_on: int) -> TaskPlan:
    """What answers are worth without each of two sets, by mask (items,)."""
    whole, ours, of_run = (each[encode(mask)] for mask in (np.ones_like(best), best, own))
    return TaskPlan(
        count=int((~best).sum()),
        removed=removed(best),
        of_run=removed(own),
        chosen_on=chosen_on,
        judged_on=len(ours),
        whole=_mean(whole),
        worth=_mean(ours),
        worth_of_run=_mean(of_run),
        difference=_mean(ours - of_run),
    )


def _mean(values: Floats) -> ItemMean:
    return ItemMean(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)))
