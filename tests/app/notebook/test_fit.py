"""Surrogates of losses that a notebook brings along, against brute force over all coalitions."""

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest
import quorum

from core.coalitions.masks import everything

N = 4
EVERY = everything(N)
DENSE = np.array([2.0, 3.0])
NAMES = ("1", "2a", "2m", "3-4")


def loss(masks: np.ndarray) -> np.ndarray:
    """(masks, 2), nats a token: players differ, 0 and 2 make up for each other."""
    gone = (~masks).astype(float)
    rise = gone @ np.array([0.1, 0.3, 0.2, 0.05]) + 0.4 * gone[:, 0] * gone[:, 2]
    return DENSE + rise[:, None] * np.array([0.5, 1.5])


def worth(kept: frozenset[int], name: str) -> float:
    mask = np.array([[player in kept for player in range(N)]])
    rise = float(loss(mask).mean() - DENSE.mean())
    return -rise if name == "log_score" else float(np.exp(-rise))


def shapley(name: str) -> np.ndarray:
    found = np.zeros(N)
    for order in permutations(range(N)):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            found[player] += worth(before | {player}, name) - worth(before, name)
    return found / factorial(N)


def banzhaf_pair(first: int, second: int) -> float:
    others = [player for player in range(N) if player not in (first, second)]
    subsets = [frozenset(some) for size in range(N - 1) for some in combinations(others, size)]
    both = [
        worth(some | {first, second}, "score")
        - worth(some | {first}, "score")
        - worth(some | {second}, "score")
        + worth(some, "score")
        for some in subsets
    ]
    return float(np.mean(both))


@pytest.fixture(scope="module")
def surrogate() -> quorum.Surrogate:
    order = np.random.default_rng(0).permutation(len(EVERY))
    return quorum.fit(EVERY[order], loss(EVERY[order]), DENSE, players=NAMES)


@pytest.mark.parametrize("name", ["score", "log_score"])
def test_values_of_a_whole_game_are_those_of_brute_force(surrogate: quorum.Surrogate, name: str) -> None:
    found = surrogate.values("shapley", name)
    assert list(found.columns) == ["player", "value", "low", "high"]
    assert tuple(found["player"]) == NAMES
    np.testing.assert_allclose(found["value"], shapley(name), atol=1e-12)
    assert (found["low"] == found["value"]).all() and (found["high"] == found["value"]).all(), "exact"


def test_interactions_of_a_whole_game_are_those_of_brute_force(surrogate: quorum.Surrogate) -> None:
    found = surrogate.interactions("banzhaf", "score")
    assert list(found.columns) == ["first", "second", "value", "low", "high", "meaning"]
    assert len(found) == N * (N - 1) // 2
    assert found["value"].abs().is_monotonic_decreasing
    for row in found.itertuples():
        assert row.value == pytest.approx(banzhaf_pair(NAMES.index(row.first), NAMES.index(row.second)), abs=1e-12)
    strongest = surrogate.interactions().iloc[0]
    assert {strongest["first"], strongest["second"]} == {"1", "2m"}


def test_predictions_are_of_the_mean_loss(surrogate: quorum.Surrogate) -> None:
    mean, low, high = surrogate.predict(EVERY)
    assert mean.shape == low.shape == high.shape == (2**N,)
    np.testing.assert_allclose(mean, loss(EVERY).mean(axis=1), atol=0.1)
    assert (low <= mean).all() and (mean <= high).all()
    assert low[-1] == mean[-1] == high[-1] == DENSE.mean(), "the whole model is known"


def test_the_order_of_the_rows_changes_nothing() -> None:
    masks = np.unique(np.random.default_rng(1).random((40, 8)) < 0.7, axis=0)
    masks = masks[~masks.all(axis=1)]
    losses = 2 + (~masks) @ np.linspace(0.1, 0.3, 8)[:, None] * np.ones(2)
    there = quorum.fit(masks, losses, np.full(2, 2.0)).values("local", "log_score")
    back = quorum.fit(masks[::-1], losses[::-1], np.full(2, 2.0)).values("local", "log_score")
    assert there.equals(back)
    assert tuple(there["player"]) == tuple("01234567")


def test_what_cannot_be_used_is_said() -> None:
    good = {"masks": EVERY, "losses": loss(EVERY), "dense": DENSE}
    wrong: list[tuple[dict[str, object], str]] = [
        ({"masks": EVERY[0]}, "shape"),
        ({"masks": EVERY * 2}, "True and False"),
        ({"masks": [[True], [True, False]]}, "no array"),
        ({"losses": loss(EVERY)[:, :1]}, "losses"),
        ({"losses": loss(EVERY)[1:]}, "losses"),
        ({"dense": DENSE[:, None]}, "dense"),
        ({"dense": [2.0, np.nan]}, "whole model"),
        ({"masks": np.concatenate([EVERY[:-1], EVERY[:1]])}, "twice"),
        ({"masks": EVERY[:8], "losses": loss(EVERY)[:8]}, "Only 8"),
        ({"players": ["1", "2"]}, "players"),
        ({"players": ["1", "2", "3", "3"]}, "3 different names"),
        ({"seed": "first"}, "seed"),
        ({"seed": -1}, "seed"),
    ]
    for change, word in wrong:
        with pytest.raises(quorum.QuorumError, match=word) as failure:
            quorum.fit(**{**good, **change})
        assert failure.value.hint
    whole = quorum.fit(**good)
    for ask in (
        lambda: whole.values("weight"),
        lambda: whole.values("shapley", "kl"),
        lambda: whole.values(strata=[9]),
        lambda: whole.interactions("stratified"),
        lambda: whole.predict(EVERY[:, :2]),
    ):
        with pytest.raises(quorum.QuorumError):
            ask()


def test_rows_without_a_number_and_the_whole_model_are_left_out() -> None:
    losses = loss(EVERY)
    losses[3, 1] = np.nan
    assert "14 masks" in repr(quorum.fit(EVERY, losses, DENSE))
