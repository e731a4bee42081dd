"""Draws of coalitions of every size, for values over all of them: pairs of complements, the most telling ones first."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from math import comb

import numpy as np

from core.coalitions.masks import Masks
from core.errors import SelectionError
from core.sampling.design import most_telling
from core.sampling.strata import mask_of

# Pairs among which the next one is chosen, and how many for each player are chosen so: where more is measured than
# that, a design by what a smooth game is like does worse on a vote than chance.
_AHEAD, _CHOSEN = 1024, 10


@lru_cache(4)
def paired(layers: int, count: int, seed: int) -> Masks:
    """`count` different masks (count, n) for values over all coalitions: no layers, all but one, then pairs.

    A pair is a coalition and its complement. A Shapley value is one of the game's odd part, v(S) - v(N - S), so that
    what a pair has in common falls out (antithetic sampling: Covert and Lee 2021, section 4.2). Of a thousand pairs
    drawn at random, the next is the one that tells most beyond those before it (`design`); after ten for each player,
    they come as they were drawn. Like `stratified`, a larger sample holds a smaller one.

    Raises:
        SelectionError: more masks than there are coalitions besides the whole model.
    """
    if not 1 <= count < 2**layers:
        raise SelectionError(f"{count} masks were asked for; there are {2**layers - 1} coalitions.", "Ask for fewer.")
    first = np.concatenate([np.zeros((1, layers), dtype=np.bool_), ~np.eye(layers, dtype=np.bool_)])
    drawn = _drawn(first, np.random.default_rng([seed, layers]))
    known = np.concatenate([np.ones((1, layers), dtype=np.bool_), first])
    found = chain([first], _ordered(known, list(islice(drawn, _AHEAD))), drawn)
    masks = np.stack(list(islice(chain.from_iterable(found), count)))
    masks.setflags(write=False)  # kept
    return masks


def _ordered(known: Masks, pairs: list[Masks]) -> Iterator[Masks]:
    """The pairs that tell most, one after the other, and then the others as they are."""
    told = set()
    for pair in islice(most_telling(known, pairs), _CHOSEN * known.shape[1]):
        told.add(id(pair))
        yield pair
    yield from (pair for pair in pairs if id(pair) not in told)


def _drawn(first: Masks, rng: np.random.Generator) -> Iterator[Masks]:
    """Random pairs of what is not among `first`, (1 or 2, n) each, until there are no more.

    A size s is drawn with a probability that grows with s (n - s), the best of the weights that were tried on ten games
    of twelve players.
    """
    layers = first.shape[1]
    found = {mask.tobytes() for mask in first}
    sizes = np.arange(1, layers)
    left = np.array([comb(layers, int(size)) for size in sizes], dtype=np.float64)
    left[-1] = 0
    while left.any():
        chance = sizes * (layers - sizes) * (left > 0)
        mask = mask_of(layers, rng.permutation(layers)[: int(rng.choice(sizes, p=chance / chance.sum()))])
        new = [one for one in (mask, ~mask) if one.tobytes() not in found]
        found |= {one.tobytes() for one in new}
        if new:
            pair = np.stack(new)
            left -= np.bincount(pair.sum(axis=1) - 1, minlength=layers - 1)
            yield pair
