"""What pruned models predict of text that no run measures, beside the whole one."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, encode
from core.coalitions.players import mask_without
from core.evaluate.game import Game, Games
from core.records.behaviour.writes import Predicts
from core.records.events import Event, Searching, Stage
from core.records.spec import ModelInfo, RunSpec, TextSpec
from core.records.storage import Store
from core.writing.agreement import Predictions, agreement, joined, predictions
from core.writing.last_words import Words, found, last_words

Names = Sequence[int | str]  # of players, or their places in a mask
_TOGETHER = 4  # plans that the whole model predicts once for: who is killed loses at most these


def unseen(spec: RunSpec, windows: int | None) -> TextSpec:
    """The text that no run measures; four times as many windows as the run has if no number is given."""
    return replace(spec.text("evaluation"), sequences=windows or 4 * spec.sequences)


def predicting(
    store: Store, games: Games, spec: RunSpec, removals: Sequence[Names], windows: int | None = None
) -> Generator[Event, None, tuple[ModelInfo, list[Predicts]]]:
    """How near each pruned model's predictions are to the whole one's, in the order of the removals.

    Args:
        store: keeps what is found, and is asked first.
        games: opens the model, and the text.
        spec: of a run.
        removals: players to switch off, by name or by their places in a mask.
        windows: of unseen text (`unseen`).

    Raises:
        QuorumError: before any forward if the request is wrong.
    """
    game = yield from games.open(
        spec, unseen(spec, windows), check=lambda players: [mask_without(players, removed) for removed in removals]
    )
    info = game.loaded.info
    masks = np.stack([mask_without(info.players, removed) for removed in removals])
    return info, (yield from predicted(store, game, masks))


def predicted(store: Store, game: Game, masks: Masks) -> Generator[Event, None, list[Predicts]]:
    """The same of masks (masks, players) on the text of a game."""
    info, how, every = game.loaded.info, str(game.windows.protocol), list(map(encode, masks))
    stored = store.traits(info, every)
    known = {mask: stored[mask].predicts[how] for mask in every if how in stored[mask].predicts}
    missing = {mask: row for mask, row in zip(every, masks, strict=True) if mask not in known}
    if missing:
        models = f"{1 + len(missing)} models" if len(missing) > 1 else "both models"
        yield Stage(f"Predicting {len(game.windows.ids)} unseen windows by {models}")
        rows = list(missing.items())
        for begin in range(0, len(rows), _TOGETHER):
            names, part = zip(*rows[begin : begin + _TOGETHER], strict=True)
            measured = yield from _measured(game, np.stack(part), begin / len(rows), len(rows))
            for mask, one in zip(names, measured, strict=True):
                store.record_traits(info, mask, one)
                known[mask] = one
    return [known[mask] for mask in every]


def _measured(game: Game, masks: Masks, before: float, plans: int) -> Generator[Event, None, list[Predicts]]:
    """Of some of so many plans, after a share of them."""
    ids = game.windows.ids
    words = last_words(game.loaded.checkpoint.tokenizer, ids.numpy())
    parts: list[list[Predictions]] = [[] for _ in masks]
    done = 0
    for row, some in predictions(game.loaded, ids, masks):
        parts[row].append(some)
        done += len(some.kl)
        yield Searching(before + done / (len(ids) * plans))
    return [_predicts(game, words, ids.numpy(), joined(part)) for part in parts]


def _predicts(game: Game, words: Words, ids: NDArray[np.int64], seen: Predictions) -> Predicts:
    return Predicts(
        protocol=game.windows.protocol,
        agreement=agreement(seen),
        whole_words=found(words, ids, seen.whole),
        pruned_words=found(words, ids, seen.pruned),
    )
