"""Tasks measured for models without some players: every item once, and kept before it is told."""

import math
import time
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, encode
from core.coalitions.players import indexes, mask_without
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.records.behaviour.task_scores import Answer, ModelScores, TaskScore
from core.records.events import Event, Progress
from core.records.spec import ModelInfo, RunSpec
from core.records.storage import Store
from core.tasks.harness import NamedTask
from core.tasks.items import Item, items_of
from core.tasks.likelihood import Likelihoods
from core.tasks.scores import score

Names = Sequence[int | str]  # of players, or their places in a mask
_EVERY = 1.0  # seconds of measuring that a process which is killed loses at most


def answered(
    store: Store, spec: RunSpec, tasks: Sequence[NamedTask], removals: Sequence[Names]
) -> Generator[Event, None, tuple[ModelInfo, list[ModelScores]]]:
    """What a model scores on tasks without some players, one removal after the other.

    Args:
        store: keeps every answer, and is asked first.
        spec: names the model, its dtype, its device and its players.
        tasks: with their items (core.tasks.harness).
        removals: players to switch off, by name or by their places in a mask; none gives the whole model's.

    Raises:
        QuorumError: before any forward if the request is wrong; what has been stored stays in any case.
    """

    def masks(players: tuple[str, ...]) -> Masks:
        return np.stack([mask_without(players, removed) for removed in removals])

    loaded = yield from Games(store).model(spec, masks)
    players = loaded.info.players
    found = yield from _scores(store, loaded, tasks, masks(players))
    places = [indexes(players, removed) for removed in removals]
    return loaded.info, list(map(ModelScores, places, found))


def _scores(
    store: Store, loaded: LoadedModel, tasks: Sequence[NamedTask], masks: Masks
) -> Generator[Event, None, list[tuple[TaskScore, ...]]]:
    """What each mask (masks, players) scores on each task, by row.

    Raises:
        TaskError: an item does not suit the model; before any forward.
    """
    checkpoint = loaded.checkpoint
    items = [items_of(task, checkpoint.tokenizer, checkpoint.positions) for task in tasks]
    every = {item.digest: item for some in items for item in some}
    known = [store.answers(loaded.info, encode(mask), list(every)) for mask in masks]
    before, total, begun = sum(map(len, known)), len(every) * len(masks), time.monotonic()
    done = before
    yield _progress(done, total, before, begun)
    for mask, answers in zip(masks, known, strict=True):
        missing = [item for digest, item in every.items() if digest not in answers]
        for fresh in _measured(store, loaded, mask, missing):
            answers |= fresh
            done += len(fresh)
            yield _progress(done, total, before, begun)
    return [tuple(map(score, tasks, items, [answers] * len(tasks))) for answers in known]


def _measured(
    store: Store, loaded: LoadedModel, mask: NDArray[np.bool_], items: Sequence[Item]
) -> Generator[dict[str, Answer], None, None]:
    """Answers by digest, some at a time, each stored."""
    if not items:
        return
    ways = Likelihoods(loaded, mask, items[0].tokens[0][0])
    fresh: dict[str, Answer] = {}
    kept_at = time.monotonic()
    for place, item in enumerate(items, 1):
        fresh[item.digest] = ways.answer(item)
        if place == len(items) or time.monotonic() - kept_at > _EVERY:
            store.record_answers(loaded.info, encode(mask), fresh)
            yield fresh
            fresh, kept_at = {}, time.monotonic()


def _progress(done: int, total: int, before: int, begun: float) -> Progress:
    fresh = done - before
    rate = fresh / max(time.monotonic() - begun, 1e-9)
    return Progress(done, total, before, rate, (total - done) / rate if fresh else math.nan, part="items")
