"""Marginal contributions in orders of joining: their mean over all orders is the Shapley value; over some, an estimate.

Sampling orders is the oldest estimator (Castro, Gomez and Tejada 2009). It is taught on the page Learn and is no part
of a run, whose values come from a surrogate.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats

Orders = NDArray[np.int64]


def draw(players: int, count: int, seed: int) -> Orders:
    """Random orders, (count, n), each with equal probability; a larger sample begins with a smaller one."""
    rng = np.random.default_rng([seed, players])
    return np.argsort(rng.random((count, players)), axis=1)


def marginals(worth: Callable[[Masks], Floats], orders: Orders) -> Floats:
    """What each player adds at the moment of joining, (orders, n), by player.

    Args:
        worth: of masks (q, n), (q,).
        orders: (orders, n), the players as they join.
    """
    count, players = orders.shape
    place = np.argsort(orders, axis=1)
    so_far = place[:, None, :] < np.arange(players + 1)[:, None]
    gains = np.diff(worth(so_far.reshape(-1, players)).reshape(count, players + 1), axis=1)
    return np.take_along_axis(gains, place, axis=1)


def estimate(gains: Floats) -> tuple[Floats, Floats]:
    """The estimated values from marginal contributions (orders, n), and half their 90 % intervals; two orders or more.

    Orders are independent of each other, so Student's interval of a mean holds nearly, and better the more there are.
    """
    count = len(gains)
    return gains.mean(axis=0), t.ppf(0.95, count - 1) * gains.std(axis=0, ddof=1) / np.sqrt(count)


def errors(gains: Floats, exact: Floats) -> Floats:
    """The relative error |estimate - exact| / |exact| after each order, (..., orders), of gains (..., orders, n)."""
    means = gains.cumsum(axis=-2) / np.arange(1, gains.shape[-2] + 1)[:, None]
    return np.asarray(np.linalg.norm(means - exact, axis=-1) / np.linalg.norm(exact))
