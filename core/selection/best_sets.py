"""The sets of a size whose removal is thought to cost least, by a worth of coalitions that takes no forward.

All sets are looked at where there are a hundred thousand at most; else a beam of fifty grows them player by player, and
swaps of one player improve it until none does: the best of all that were looked at are found.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from math import comb

import numpy as np

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats

_ALL = 100_000
_BEAM = 50
_LEAST = 1e-9  # a gain of the beam below which it is done: the same masks are worth other last digits in other company


def best_removals(
    worth: Callable[[Masks], Floats], players: int, count: int, most: int, protected: Sequence[int] = ()
) -> Masks:
    """Masks (at most `most`, players) without `count` players each, of the greatest worth, the best first.

    Args:
        worth: of masks (masks, players), (masks,).
        players: of the game.
        count: players to remove, 1 to all but one.
        most: sets that are wanted.
        protected: players that stay.
    """
    free = set(range(players)) - set(protected)
    if comb(len(free), count) <= _ALL:
        places = np.array(list(combinations(sorted(free), count)))
        masks = np.ones((len(places), players), dtype=np.bool_)
        np.put_along_axis(masks, places, False, axis=1)
        return _best(worth, masks, most)
    wanted, beam = max(most, _BEAM), np.ones((1, players), dtype=np.bool_)
    for _ in range(count):
        found = _best(worth, _flipped(beam, free, back=False), wanted)
        beam = found[:_BEAM]
    total = -np.inf
    while (better := float(worth(beam).sum())) > total:
        total = better + _LEAST
        found = _best(worth, np.concatenate([found, _flipped(beam, free, back=True)]), wanted)
        beam = found[:_BEAM]
    return found[:most]


def _flipped(masks: Masks, free: Collection[int], *, back: bool) -> Masks:
    """Each mask without one further player of `free`, and, if `back`, with another one that it lacked."""
    found = []
    for mask in masks:
        out = np.flatnonzero(mask & np.isin(np.arange(len(mask)), list(free)))
        lacking = np.flatnonzero(~mask) if back else np.array([-1])
        outs, backs = (place.ravel() for place in np.meshgrid(out, lacking))
        some = np.repeat(mask[None], len(outs), axis=0)
        if back:
            some[np.arange(len(some)), backs] = True
        some[np.arange(len(some)), outs] = False
        found.append(some)
    return np.concatenate(found)


def _best(worth: Callable[[Masks], Floats], masks: Masks, most: int) -> Masks:
    """The masks of greatest worth, each once; of those that are worth the same, the first in their order."""
    every = np.unique(masks, axis=0)
    return every[np.argsort(-worth(every), kind="stable")[:most]]
