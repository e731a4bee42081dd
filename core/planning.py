"""The search on a run's game: it begins with what the run has measured, and everything that it measures is kept."""

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from core.events import Event, Searching, Stage
from core.game import Game
from core.losses import perplexity
from core.masks import Masks, encode
from core.measurements import Floats
from core.meter import Meter
from core.results import Plan, Selection
from core.search import Search
from core.selection import Request, nested
from core.similarity import similarity
from core.storage import Store


def plan(
    store: Store, run_game: str, game: Game, run_sequences: int, request: Request, seed: int
) -> Generator[Event, None, Selection]:
    """Searches, and gives the best plan of each count and a nested path.

    Args:
        store: knows what was measured, and keeps what is measured now.
        run_game: key of the run's game, whose sequences are the first `run_sequences` of `game`'s.
        game: on the sequences that the finalists are settled on.
        run_sequences: the sequences that races run to.
        request: the budget, and what may be removed.
        seed: of the proposals.
    """
    most = request.check(game.loaded.info.layers)

    def keep(masks: Masks, losses: Floats) -> None:
        store.record_screened(game.key, [(encode(mask), found) for mask, found in zip(masks, losses, strict=True)])
        if losses.shape[1] >= run_sequences:
            known = losses[:, :run_sequences].astype(np.float32)
            store.record(run_game, [(encode(mask), found) for mask, found in zip(masks, known, strict=True)])

    ids = game.windows.ids
    stages = {max(1, run_sequences // 5), max(1, run_sequences // 2), run_sequences, len(ids)}
    meter = Meter(game.loaded, ids, sorted(stages), game.packed, keep)
    for key in (run_game, game.key):
        meter.learn(*store.measured(key))
    yield Stage("Comparing the hidden states of the whole model")
    near = similarity(game.loaded, ids[:run_sequences])
    meter.charge(meter.layers * ids[:run_sequences].numel(), ids[:run_sequences].numel())
    yield Stage("Searching")
    search = Search(meter, 1 - near.cosine, most, run_sequences, request.protected, seed)
    unit = meter.unit(run_sequences)
    for share in search.run(request.units * unit):
        yield Searching(share)
    path = nested({count: [(mask, search.rise(mask)) for mask in search.tried[count]] for count in search.tried})
    dense = meter.losses(meter.whole[None], len(ids))[0]
    best = [search.best[count] for count in sorted(search.best)]
    return Selection(
        model=game.loaded.info,
        protocol=game.windows.protocol,
        dense_perplexity=perplexity(dense),
        protected=tuple(sorted(set(request.protected))),
        plans=_plans(game, meter, best, dense),
        nested=_plans(game, meter, path, dense),
        coalitions=meter.coalitions,
        units=request.units,
        spent=meter.spent / unit,
    )


def _plans(game: Game, meter: Meter, masks: Sequence[NDArray[np.bool_]], dense: Floats) -> tuple[Plan, ...]:
    layers = [sum(weight.numel() for weight in block.parameters()) for block in game.loaded.blocks.modules]
    plans = []
    for mask, losses in zip(masks, meter.losses(np.array(masks), len(dense)), strict=True):
        removed = tuple(int(layer) for layer in np.flatnonzero(~mask))
        rises = losses - dense
        half = t.ppf(0.95, len(rises) - 1) * rises.std(ddof=1) / np.sqrt(len(rises)) if len(rises) > 1 else np.inf
        middle = float(losses.mean())
        with np.errstate(over="ignore"):
            low, centre, high = (float(np.exp(value)) for value in (middle - half, middle, middle + half))
        left = game.loaded.info.parameters - sum(layers[layer] for layer in removed)
        plans.append(Plan(len(removed), removed, left, centre, low, high))
    return tuple(plans)
