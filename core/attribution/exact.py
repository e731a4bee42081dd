"""Values and interactions by enumeration, where every coalition of a game has been measured: nothing is estimated."""

from math import comb

import numpy as np

from core.coalitions.masks import MOST_PLAYERS, Masks
from core.coalitions.measurements import Floats


def cube(masks: Masks, worths: Floats) -> Floats | None:
    """The worths of all coalitions as an array (2,) * n, indexed by who is there; None if some are missing."""
    players = masks.shape[1]
    if players > MOST_PLAYERS:
        return None
    found = np.full((2,) * players, np.nan)
    found[tuple(masks.T.astype(np.int64))] = worths
    return None if np.isnan(found).any() else found


def values(game: Floats, sizes: Floats) -> Floats:
    """The value of each player, (n,).

    Args:
        game: (2,) * n, as from `cube`.
        sizes: how much the mean marginal contribution to coalitions of each size 0..n-1 counts, (n,).
    """
    weight = _weights(sizes)
    return np.array([(np.diff(game, axis=player).squeeze(player) * weight).sum() for player in range(game.ndim)])


def interactions(game: Floats, sizes: Floats) -> Floats:
    """The interaction of each pair, (n, n), with zeros on the diagonal; `sizes` (n - 1,) of the other players."""
    weight = _weights(sizes)
    found = np.zeros((game.ndim, game.ndim))
    for i in range(game.ndim):
        for j in range(i):
            found[i, j] = found[j, i] = (np.diff(np.diff(game, axis=i), axis=j).squeeze((i, j)) * weight).sum()
    return found


def _weights(sizes: Floats) -> Floats:
    """The weight of each coalition of n - 1 or n - 2 others, (2,) * others: all of one size share its weight."""
    others = len(sizes) - 1
    each = np.array([weight / comb(others, size) for size, weight in enumerate(sizes)])
    kept = np.indices((2,) * others).sum(axis=0)
    return np.asarray(each[kept])
