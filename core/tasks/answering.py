"""Tasks measured for models without some players: every item once, and kept before it is told."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.checkpoint.checkpoint import finding
from core.coalitions.masks import Masks, encode
from core.coalitions.players import mask_without, players_of
from core.errors import EvaluationError
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.records.behaviour.task_scores import AGREEMENT, Answer, ModelScores
from core.records.events import Event, Progress, Stage
from core.records.spec import ModelInfo, RunSpec
from core.records.storage import Store
from core.tasks.items import Item, items_of
from core.tasks.likelihood import Likelihoods
from core.tasks.named_task import NamedTask
from core.tasks.naming import tasks_named
from core.tasks.own.agreeing import agreement_items, opening
from core.tasks.scores import score

Names = Sequence[int | str]  # of players, or their places in a mask
_EVERY = 1.0  # seconds of measuring that a process which is killed loses at most


@dataclass(frozen=True)
class Questions:
    """What is asked (core.tasks.naming.tasks_named)."""

    tasks: tuple[str, ...]
    data: Path | None = None
    limit: int | None = None
    shots: int | None = None


def answered(
    store: Store, games: Games, spec: RunSpec, questions: Questions, removals: Sequence[Names], *, spare: bool = False
) -> Generator[Event, None, tuple[ModelInfo, list[ModelScores]]]:
    """What a model scores on tasks without some players, one removal after the other.

    Args:
        store: keeps every answer, and is asked first.
        games: opens the model.
        spec: names the model, its dtype, its device and its players.
        questions: the tasks and their items.
        removals: players to switch off, by name or by their places in a mask; none gives the whole model's. The same
            players twice are asked once.
        spare: a removal without numbers is told and left out, and is no error.

    Raises:
        QuorumError: before any forward if the request is wrong; what has been stored stays in any case.
    """

    def masks(players: tuple[str, ...]) -> Masks:
        every = [mask_without(players, removed) for removed in removals]
        return np.stack(list({encode(mask): mask for mask in every}.values()))

    loaded, tasks, items = yield from asked(games, spec, questions, masks)
    every = masks(loaded.info.players)
    found = yield from answers(store, loaded, items, every, spare=spare)
    whole = [all(item.digest in one for some in items for item in some) for one in found]
    if not all(whole):
        yield Stage(f"{loaded.info.source} gives no numbers after {whole.count(False)} of {len(whole)} removals")
    every, found = every[np.array(whole)], [one for one, all_there in zip(found, whole, strict=True) if all_there]
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
    tasks, items = yield from prepared(games, spec, questions, check)
    loaded = yield from games.model(spec, check)
    if AGREEMENT in questions.tasks:
        game = yield from opening(games, spec, questions.limit, check)
        agreement, windows = yield from agreement_items(game)
        place = questions.tasks.index(AGREEMENT)
        tasks.insert(place, agreement)
        items.insert(place, windows)
    return loaded, tasks, items


def prepared(
    games: Games, spec: RunSpec, questions: Questions, check: Callable[[tuple[str, ...]], object]
) -> Generator[Event, None, tuple[list[NamedTask], list[list[Item]]]]:
    """The tasks and the items of `asked` that the model's files are enough for; errors as there.

    Of AGREEMENT the text is read, and the model that is asked for its items.
    """
    checkpoint = yield from finding(spec.model)
    if checkpoint.layers is not None:
        check(players_of(checkpoint.layers, spec.players, spec.protect))
    yield Stage(f"Reading the items of {', '.join(questions.tasks)}")
    tasks = tasks_named(questions.tasks, questions.data, questions.shots, questions.limit)
    items = [items_of(task, checkpoint) for task in tasks]
    if AGREEMENT in questions.tasks:
        yield from opening(games, spec, questions.limit, check)
    return tasks, items


def answers(
    store: Store, loaded: LoadedModel, items: Sequence[Sequence[Item]], masks: Masks, *, spare: bool = False
) -> Generator[Event, None, list[dict[str, Answer]]]:
    """The answers of each mask (masks, players) by an item's digest, by row; what is measured is kept.

    Item by item, each of all masks that have not answered it: they share what comes of the layers that they share.
    A mask without numbers is an error, or with `spare` asked nothing more: its answers are not all there then.

    Raises:
        EvaluationError: some answer is no number, of a mask that is not to be spared.
    """
    every = {item.digest: item for some in items for item in some}
    known = [store.answers(loaded.info, encode(mask), list(every)) for mask in masks]
    before, total, begun = sum(map(len, known)), len(every) * len(masks), time.monotonic()
    yield _progress(before, total, before, begun)
    for _ in _measured(store, loaded, list(every.values()), masks, known, spare):
        yield _progress(sum(map(len, known)), total, before, begun)
    return known


def _measured(
    store: Store, loaded: LoadedModel, items: Sequence[Item], masks: Masks, known: list[dict[str, Answer]], spare: bool
) -> Generator[None, None, None]:
    """Adds what is missing to `known`; yields whenever that is stored, and in the end."""
    ways, names, ruined = Likelihoods(loaded), [encode(mask) for mask in masks], set[int]()
    fresh: defaultdict[str, dict[str, Answer]] = defaultdict(dict)  # by mask
    kept_at = time.monotonic()
    try:
        for item in items:
            missing = [row for row in range(len(known)) if row not in ruined and item.digest not in known[row]]
            for place, found in ways.answers(item, masks[missing]) if missing else ():
                row = missing[place]
                if not all(map(math.isfinite, found.likelihoods)):
                    if spare:
                        ruined.add(row)
                        continue
                    raise EvaluationError(
                        f"{loaded.info.source} gives no numbers without {int((~masks[row]).sum())} players.",
                        "Try --dtype float32, or remove other layers.",
                    )
                known[row][item.digest] = fresh[names[row]][item.digest] = found
                if time.monotonic() - kept_at > _EVERY:
                    _keep(store, loaded.info, fresh)
                    yield
                    kept_at = time.monotonic()
    finally:
        _keep(store, loaded.info, fresh)
    yield


def _keep(store: Store, model: ModelInfo, fresh: dict[str, dict[str, Answer]]) -> None:
    """Stores what is fresh, which is so no more; what is stored already stays as it is."""
    if fresh:
        store.record_answers(model, fresh)
        fresh.clear()


def _progress(done: int, total: int, before: int, begun: float) -> Progress:
    fresh = done - before
    rate = fresh / max(time.monotonic() - begun, 1e-9)
    return Progress(done, total, before, rate, (total - done) / rate if fresh else math.nan, part="items")
