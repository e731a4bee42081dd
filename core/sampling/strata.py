"""Draws of coalitions by Hamming weight, the number of kept layers.

The sampler is the paper's: strata by Hamming weight, uniform inside a stratum, equal counts per stratum
(arXiv 2602.07804, stage 1). Here it is seeded, without duplicates, and nested: the first 300 masks of a sample of 600
are the sample of 300, so a larger budget reuses every evaluation of a smaller one.
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.errors import SelectionError

# The share of layers kept in the paper's five strata for 32 layers: 30, 27, 24, 21, 18.
_PAPER_SHARES = (30 / 32, 27 / 32, 24 / 32, 21 / 32, 18 / 32)
# Strata this small are listed and shuffled; larger ones are drawn, where a repeat is rare.
_LISTED = 20_000


def default_strata(layers: int) -> tuple[int, ...]:
    """Numbers of kept layers, scaled down from the paper's to `layers` layers; descending, without repeats."""
    kept = {min(layers - 1, max(1, int(share * layers))) for share in _PAPER_SHARES}
    return tuple(sorted(kept, reverse=True))


def check_strata(strata: Sequence[int], layers: int) -> tuple[int, ...]:
    """The strata, or SelectionError: each keeps at least one layer, drops at least one, and is named once."""
    if layers < 2:
        raise SelectionError(
            f"There is {layers} player, so there is nothing to choose from.", "Use a deeper model, or finer players."
        )
    wrong = [kept for kept in strata if not 1 <= kept <= layers - 1]
    if wrong or not strata or len(set(strata)) != len(strata):
        named = ", ".join(map(str, wrong or strata)) or "none"
        raise SelectionError(
            f"These strata cannot be sampled: {named}. There are {layers} players.",
            f"Give different numbers of kept players between 1 and {layers - 1}, "
            f"for example --strata {','.join(map(str, default_strata(layers)))}.",
        )
    return tuple(strata)


def stratified(layers: int, strata: Sequence[int], count: int, seed: int) -> Masks:
    """Draws `count` different masks, taking the strata in turn.

    Args:
        layers: number of layers, n.
        strata: numbers of kept layers.
        count: how many masks; a stratum that runs out leaves its share to the others.
        seed: each stratum has its own stream of random numbers, so that adding one does not change the others.

    Returns:
        Masks (count, n).

    Raises:
        SelectionError: impossible strata, or fewer than `count` coalitions in all of them.
    """
    strata = check_strata(strata, layers)
    available = sum(comb(layers, kept) for kept in strata)
    if not 1 <= count <= available:
        raise SelectionError(
            f"{count} masks were asked for; these strata hold {available} coalitions.",
            f"Ask for 1 to {available} masks, or add strata.",
        )
    share = -(-count // len(strata))
    # A stratum that is too small leaves its share to the others; two passes settle who gives how many.
    while sum(min(share, comb(layers, kept)) for kept in strata) < count:
        share += 1
    streams = [_stratum(layers, kept, min(share, comb(layers, kept)), seed) for kept in strata]
    turns = [stream[turn] for turn in range(share) for stream in streams if turn < len(stream)]
    return np.stack(turns[:count])


def _stratum(layers: int, kept: int, count: int, seed: int) -> list[NDArray[np.bool_]]:
    """`count` different masks of one Hamming weight, uniform, in a random order that depends on the seed alone."""
    rng = np.random.default_rng([seed, layers, kept])
    if comb(layers, kept) <= _LISTED:
        rows = rng.permutation(np.array(list(combinations(range(layers), kept))))[:count]
        return [mask_of(layers, row) for row in rows]
    found: dict[bytes, NDArray[np.bool_]] = {}
    while len(found) < count:
        mask = mask_of(layers, rng.permutation(layers)[:kept])
        found.setdefault(mask.tobytes(), mask)
    return list(found.values())


def mask_of(layers: int, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The mask (n,) that keeps these layers."""
    mask = np.zeros(layers, dtype=np.bool_)
    mask[kept] = True
    return mask


def uniform(rng: np.random.Generator, layers: int, kept: int, count: int) -> Masks:
    """`count` masks of one Hamming weight, uniform, repeats allowed."""
    chosen = np.argpartition(rng.random((count, layers), dtype=np.float32), min(kept, layers - 1), axis=1)[:, :kept]
    masks = np.zeros((count, layers), dtype=np.bool_)
    np.put_along_axis(masks, chosen, True, axis=1)
    return masks


def marginal_sizes(likely: Floats) -> Floats:
    """How much coalitions of 0..n-1 others count where masks q have 0..n layers with the probabilities (n + 1,), (n,).

    A mask q of k kept layers gives layer i a coalition of k - 1 others if it has i, which happens with probability k/n,
    and of k others if not.
    """
    share = np.arange(len(likely)) / (len(likely) - 1)
    return np.asarray(likely[1:] * share[1:] + likely[:-1] * (1 - share[:-1]))


def stratified_sizes(players: int, strata: Sequence[int]) -> Floats:
    """The sizes that the paper's stratified contribution weighs, (n,)."""
    likely = np.zeros(players + 1)
    likely[list(strata)] = 1 / len(strata)
    return marginal_sizes(likely)
