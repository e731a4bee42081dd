"""The order in which coalitions are measured: covariances by enumeration, and gains by linear algebra."""

from itertools import islice, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attribution import exact
from core.attribution.closed_form import measure, sizes
from core.coalitions.masks import everything
from core.sampling.design import covariances, most_telling

UNLIKE, OWN = 4.8, 0.05


def prior(masks: np.ndarray) -> np.ndarray:
    """The covariance of the worths of masks (m, n), element by element."""
    players = masks.shape[1]
    alike = [[np.exp(-UNLIKE * (one != other).sum() / players) for other in masks] for one in masks]
    return np.array(alike) + OWN * np.eye(len(masks))


def with_values(players: int) -> np.ndarray:
    """The covariance of each value with each worth, (n, 2^n): values are linear in a game."""
    each = prior(everything(players))
    weights = sizes(measure("shapley", players), players - 1)
    return np.stack([exact.values(row.reshape((2,) * players), weights) for row in each], axis=1)


@pytest.mark.parametrize("players", [2, 3, 5, 8])
def test_covariances_are_those_of_enumeration(players: int) -> None:
    masks = everything(players)
    holds, lacks = covariances(players)
    kept = masks.sum(axis=1)
    found = np.where(masks, holds[kept][:, None], lacks[kept][:, None])
    np.testing.assert_allclose(found.T, with_values(players), atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 6), st.integers(0, 10_000))
def test_each_next_group_leaves_the_least_open(players: int, seed: int) -> None:
    """Among all groups, by their mean, as the posterior of the whole game says in one solve."""
    rng, masks = np.random.default_rng(seed), everything(players)
    order = rng.permutation(len(masks))[: min(len(masks), 14)]
    known, rest = list(order[:2]), order[2:]
    groups = [
        rest[at : at + size] for at, size in zip(range(0, len(rest) - 1, 2), rng.integers(1, 3, 20), strict=False)
    ]
    covariance, shared = prior(masks), with_values(players)

    def gains(seen: list[int]) -> np.ndarray:
        inverse = np.linalg.inv(covariance[np.ix_(seen, seen)])
        left = shared - shared[:, seen] @ inverse @ covariance[seen]
        variance = np.diag(covariance - covariance[:, seen] @ inverse @ covariance[seen])
        return np.asarray(np.square(left).sum(axis=0) / np.maximum(variance, 1e-9))

    for found in most_telling(masks[known], [masks[group] for group in groups]):
        told = gains(known)
        row = next(row for row, group in enumerate(groups) if (masks[group] == found[: len(group)]).all())
        assert told[groups[row]].mean() >= (1 - 2e-6) * max(told[group].mean() for group in groups)
        known += groups.pop(row).tolist()
    assert not groups


def test_every_group_comes_once() -> None:
    masks = everything(4)
    groups = [masks[[one, 15 - one]] for one in range(1, 8)]
    found = np.concatenate(list(most_telling(masks[[0, 15]], groups)))
    assert (
        sorted(map(bytes, found)) == sorted(bytes(np.array(row, dtype=bool)) for row in product((0, 1), repeat=4))[1:-1]
    )


def test_the_order_does_not_hang_on_rounding() -> None:
    """With players in another order every sum rounds differently, and the games are the same: so is the order."""
    rng = np.random.default_rng(0)
    known = np.concatenate([np.ones((1, 12), bool), np.zeros((1, 12), bool), ~np.eye(12, dtype=bool)])
    some = np.unique(rng.random((300, 12)) < 0.5, axis=0)
    groups = [row[None] for row in rng.permutation(some) if 1 < row.sum() < 11]
    other = rng.permutation(12)
    order = [place_of(found, groups) for found in islice(most_telling(known, groups), 150)]
    again = [group[:, other] for group in groups]
    assert order == [place_of(found, again) for found in islice(most_telling(known[:, other], again), 150)]


def place_of(found: np.ndarray, groups: list[np.ndarray]) -> int:
    return next(place for place, group in enumerate(groups) if group is found)
