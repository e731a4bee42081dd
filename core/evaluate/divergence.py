"""KL from the whole model's predictions: of one coalition, or of all that a game has measured; kept in the store."""

import math
import time
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import decode, encode
from core.evaluate.cached import Remembered
from core.evaluate.game import Game
from core.evaluate.limits import STATES
from core.records.events import Event, Progress, Stage
from core.records.storage import Store

_STAGE = "Comparing the predictions with the whole model's"


def of_one(store: Store, game: Game, mask: NDArray[np.bool_]) -> Generator[Event, None, float]:
    """The mean over a text of the KL of one coalition (players,), nats a token; from the store if it is there."""
    known = store.divergences(game.key).get(encode(mask))
    if known is None:
        yield Stage(_STAGE)
        [(_, (_, known))] = game.preview.with_divergences(mask[None])
        store.record_divergences(game.key, [(encode(mask), known)])
    return float(known.mean(dtype=np.float64))


def of_all(store: Store, game: Game) -> Generator[Event, None, None]:
    """Measures the KL of every coalition whose losses are known, where it is not."""
    yield Stage(_STAGE)
    masks = np.array([decode(mask) for mask in store.measured(game.key)])
    windows = game.windows
    # All the sequences of the game: their key is the game's own.
    parts = Remembered(store, windows.protocol, game.loaded, windows.ids, game.packed, states=STATES)
    cached, begun = parts.compared, time.monotonic()
    for done, _ in enumerate(parts.with_divergences(masks), 1):
        fresh = done - cached
        rate = fresh / (time.monotonic() - begun)
        yield Progress(done, len(masks), cached, rate, (len(masks) - done) / rate if fresh > 0 else math.nan)
