"""The sets of a size whose removal is thought to cost least, by a worth of coalitions that takes no forward.

All sets are looked at where there are a hundred thousand at most; else a beam grows them player by player, and swaps
of one player improve them until none does.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, removed
from core.coalitions.measurements import Floats

_ALL = 100_000
_BEAM = 50


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
    width = max(_BEAM, most)
    beam = np.ones((1, players), dtype=np.bool_)
    for _ in range(count):
        beam = _best(worth, _neighbours((mask, [place]) for mask in beam for place in free & {*removed(~mask)}), width)
    while True:
        swaps = ((mask, [out, back]) for mask in beam for out in free & {*removed(~mask)} for back in removed(mask))
        better = _best(worth, np.concatenate([beam, _neighbours(swaps)]), width)
        if np.array_equal(better, beam):
            return beam[:most]
        beam = better


def _neighbours(flips: Iterable[tuple[NDArray[np.bool_], list[int]]]) -> Masks:
    """Masks with some players flipped."""
    found = []
    for mask, places in flips:
        other = mask.copy()
        other[places] ^= True
        found.append(other)
    return np.array(found)


def _best(worth: Callable[[Masks], Floats], masks: Masks, most: int) -> Masks:
    """The masks of greatest worth, each once; of those that are worth the same, the first in their order."""
    every = np.unique(masks, axis=0)
    return every[np.argsort(-worth(every), kind="stable")[:most]]
