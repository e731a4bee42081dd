"""The search on a run's game: it begins with what the run has measured, and everything that it measures is kept."""

from collections.abc import Generator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from core.events import Event, Searching, Stage
from core.game import Game
from core.losses import perplexity
from core.masks import Masks, encode
from core.measurements import Floats
from core.meter import Meter
from core.remembered import Remembered
from core.results import Plan, Selection
from core.search import Search
from core.selection import Request, nested
from core.similarity import similarity
from core.storage import Store


def plan(
    store: Store, base: Game, game: Game, sample: Masks, request: Request, seed: int
) -> Generator[Event, None, Selection]:
    """Searches, and gives the best plan of each count and a nested path.

    Args:
        store: keeps what is measured, so that a search that was stopped goes on, with the same result.
        base: the run's game. Races run to its sequences, and what they measure is kept for it, too.
        game: on the sequences of `base` and further ones, on which the finalists are settled.
        sample: the run's masks; what is known of them is where the search begins, and costs it nothing.
        request: the budget, and what may be removed.
        seed: of the proposals.
    """
    most = request.check(game.loaded.info.layers)
    ids, raced = game.windows.ids, len(base.windows.ids)
    stages = sorted({max(1, raced // 5), max(1, raced // 2), raced, len(ids)})
    evaluator = partial(Remembered, store, game.windows.protocol)
    meter = Meter(game.loaded, ids, stages, game.packed, evaluator)
    known = store.known(base.key, sample)
    meter.learn(sample[list(known)], list(known.values()))
    yield Stage("Comparing the hidden states of the whole model")
    near = similarity(game.loaded, ids[:raced])
    meter.charge(meter.layers * ids[:raced].numel(), ids[:raced].numel())
    yield Stage("Searching")
    search = Search(meter, 1 - near.cosine, most, raced, request.protected, seed)
    unit = meter.unit(raced)
    for share in search.run(request.units * unit):
        yield Searching(share)
    deep = [mask for count in search.tried for mask in search.ranked(count, raced)]
    store.record(base.key, [(encode(mask), meter.known(mask)[:raced].astype(np.float32)) for mask in deep])
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
