"""Tasks measured for models without some players: every item once, and kept before it is told."""

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.checkpoint.checkpoint import finding
from core.coalitions.masks import Masks, encode
from core.coalitions.players import mask_without, players_of
from core.errors import EvaluationError
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.records.behaviour.task_scores import Answer, ModelScores
from core.records.events import Event, Progress, Stage
from core.records.spec import ModelInfo, RunSpec
from core.records.storage import Store
from core.tasks.harness import NamedTask, tasks_named
from core.tasks.items import Item, items_of
from core.tasks.likelihood import Likelihoods
from core.tasks.scores import score

Names = Sequence[int | str]  # of players, or their places in a mask
_EVERY = 1.0  # seconds of measuring that a process which is killed loses at most


@dataclass(frozen=True)
class Questions:
    """What is asked (core.tasks.harness.tasks_named)."""

    tasks: tuple[str, ...]
    data: Path | None = None
    limit: int | None = None
    shots: int | None = None


def answered(
    store: Store, games: Games, spec: RunSpec, questions: Questions, removals: Sequence[Names]
) -> Generator[Event, None, tuple[ModelInfo, list[ModelScores]]]:
    """What a model scores on tasks without some players, one removal after the other.

    Args:
        store: keeps every answer, and is asked first.
        games: opens the model.
        spec: names the model, its dtype, its device and its players.
        questions: the tasks and their items.
        removals: players to switch off, by name or by their places in a mask; none gives the whole model's. The same
            players twice are asked once.

    Raises:
        QuorumError: before any forward if the request is wrong; what has been stored stays in any case.
    """

    def masks(players: tuple[str, ...]) -> Masks:
        every = [mask_without(players, removed) for removed in removals]
        return np.stack(list({encode(mask): mask for mask in every}.values()))

    loaded, tasks, items = yield from asked(games, spec, questions, masks)
    every = masks(loaded.info.players)
    found = yield from answers(store, loaded, items, every)
    scores = [tuple(map(score, tasks, items, [one] * len(tasks))) for one in found]
    for mask, of_mask in zip(every, scores, strict=True):
        store.record_traits(loaded.info, encode(mask), *of_mask)
    places = [tuple(map(int, np.flatnonzero(~mask))) for mask in every]
    return loaded.info, list(map(ModelScores, places, scores))


def asked(
    games: Games, spec: RunSpec, questions: Questions, check: Callable[[tuple[str, ...]], object]
) -> Generator[Event, None, tuple[LoadedModel, list[NamedTask], list[list[Item]]]]:
    """A model, tasks, and the items that each asks it; `check` is of the players, as of `Games.open`.

    Raises:
        QuorumError: before the weights are read, if the request is wrong.
    """
    checkpoint = yield from finding(spec.model)
    if checkpoint.layers is not None:
        check(players_of(checkpoint.layers, spec.players, spec.protect))
    yield Stage(f"Reading the items of {', '.join(questions.tasks)}")
    tasks = tasks_named(questions.tasks, questions.data, questions.shots, questions.limit)
    items = [items_of(task, checkpoint) for task in tasks]
    loaded = yield from games.model(spec, check)
    return loaded, tasks, items


def answers(
    store: Store, loaded: LoadedModel, items: Sequence[Sequence[Item]], masks: Masks
) -> Generator[Event, None, list[dict[str, Answer]]]:
    """The answers of each mask (masks, players) by an item's digest, by row; what is measured is kept."""
    every = {item.digest: item for some in items for item in some}
    known = [store.answers(loaded.info, encode(mask), list(every)) for mask in masks]
    before, total, begun = sum(map(len, known)), len(every) * len(masks), time.monotonic()
    done = before
    yield _progress(done, total, before, begun)
    for mask, of_mask in zip(masks, known, strict=True):
        missing = [item for digest, item in every.items() if digest not in of_mask]
        for fresh in _measured(store, loaded, mask, missing):
            of_mask |= fresh
            done += len(fresh)
            yield _progress(done, total, before, begun)
    return known


def _measured(
    store: Store, loaded: LoadedModel, mask: NDArray[np.bool_], items: Sequence[Item]
) -> Generator[dict[str, Answer], None, None]:
    """Answers by digest, some at a time, each stored."""
    if not items:
        return
    ways = Likelihoods(loaded, mask)
    fresh: dict[str, Answer] = {}
    kept_at = time.monotonic()
    for place, item in enumerate(items, 1):
        fresh[item.digest] = found = ways.answer(item)
        if any(map(math.isnan, found.likelihoods)):
            raise EvaluationError(
                f"{loaded.info.source} gives no numbers without {len(mask) - int(mask.sum())} players.",
                "Try --dtype float32, or remove other layers.",
            )
        if place == len(items) or time.monotonic() - kept_at > _EVERY:
            store.record_answers(loaded.info, encode(mask), fresh)
            yield fresh
            fresh, kept_at = {}, time.monotonic()


def _progress(done: int, total: int, before: int, begun: float) -> Progress:
    fresh = done - before
    rate = fresh / max(time.monotonic() - begun, 1e-9)
    return Progress(done, total, before, rate, (total - done) / rate if fresh else math.nan, part="items")
