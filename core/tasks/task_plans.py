"""Sets of layers that a task misses least, chosen on one half of its items and judged on the other.

A surrogate of the worth by the first half names the best sets of each size; what was measured counts as measured. The
most promising answer the items of that half, and the best of them is the task's plan. On the second half it stands
beside the run's own plan of the same size: neither was chosen there.
"""

import math
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, encode, removed, without
from core.coalitions.measurements import Floats, Measurements
from core.model.model import LoadedModel
from core.records.behaviour.needs import ItemMean, TaskPlan
from core.records.events import Event, Stage
from core.records.storage import Store
from core.selection.best_sets import best_removals
from core.surrogate.surrogate import fit
from core.tasks.answering import answers
from core.tasks.harness import NamedTask
from core.tasks.items import Item
from core.tasks.worths import halves_of, worths

_FINALISTS = 8  # sets of each size that answer the items by which they are chosen


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
    guess = _guess(Measurements(measured.masks, measured.losses[:, choosing], measured.dense[choosing]))
    yield Stage(f"Choosing plans for {task.name}")
    players = measured.masks.shape[1]
    finalists = [best_removals(guess, players, count, _FINALISTS, protected) for count in sorted(of_run)]
    found = yield from answers(store, loaded, [first], np.concatenate(finalists))
    left = worths(task, first, found, worth).mean(axis=1)
    best, begin = [], 0
    for some in finalists:
        best.append(some[left[begin : begin + len(some)].argmax()])
        begin += len(some)
    yield Stage(f"Judging plans for {task.name}")
    own = [without(players, of_run[count]) for count in sorted(of_run)]
    masks = np.unique(np.stack([np.ones_like(own[0]), *best, *own]), axis=0)
    found = yield from answers(store, loaded, [second], masks)
    each = dict(zip(map(encode, masks), worths(task, second, found, worth), strict=True))
    return tuple(_judged(each, *pair, len(first)) for pair in zip(best, own, strict=True))


def _guess(measured: Measurements) -> Callable[[Masks], Floats]:
    """The log score of coalitions: as it was measured, or else as a surrogate predicts it."""
    surrogate = fit(measured)
    known = {mask.tobytes(): value for mask, value in zip(measured.masks, measured.log_scores.tolist(), strict=True)}

    def guess(masks: Masks) -> Floats:
        expected = surrogate.process.predict(masks)
        return np.array([known.get(mask.tobytes(), value) for mask, value in zip(masks, expected, strict=True)])

    return guess


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
