"""Enumeration against the definition, shapiq and the sampled estimate; and who uses it when."""

from itertools import combinations, permutations

import numpy as np
import pytest
import shapiq

from core.attribution import exact
from core.attribution.closed_form import measure, sizes
from core.attribution.named_values import layer_values, pair_interactions
from core.attribution.stratified import stratified_contributions
from core.coalitions.masks import MOST_PLAYERS, Masks, everything
from core.coalitions.measurements import Floats, Measurements
from core.sampling.strata import stratified_sizes

PLAYERS = 5
EVERY = everything(PLAYERS)
WORTHS = np.random.default_rng(0).normal(size=2**PLAYERS)


class Table:
    """The game as a `Worth`."""

    def predict(self, masks: Masks) -> Floats:
        return WORTHS[masks @ (1 << np.arange(PLAYERS)[::-1])]

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        flips = [self.predict(masks ^ (np.arange(PLAYERS) == player)) for player in range(PLAYERS)]
        return self.predict(masks), np.stack(flips, axis=1)


def game() -> Floats:
    found = exact.cube(EVERY, WORTHS)
    assert found is not None
    return found


def test_all_coalitions_are_there_once() -> None:
    assert len({mask.tobytes() for mask in EVERY}) == 2**PLAYERS
    assert not EVERY[0].any() and EVERY[-1].all()
    order = np.random.default_rng(1).permutation(len(EVERY))
    np.testing.assert_array_equal(exact.cube(EVERY[order], WORTHS[order]), game())
    assert exact.cube(EVERY[1:], WORTHS[1:]) is None
    assert exact.cube(np.ones((1, MOST_PLAYERS + 1), dtype=bool), np.ones(1)) is None


def test_shapley_values_are_the_mean_over_orders() -> None:
    expected = np.zeros(PLAYERS)
    for order in permutations(range(PLAYERS)):
        mask = np.zeros(PLAYERS, dtype=bool)
        for player in order:
            before = Table().predict(mask[None])[0]
            mask[player] = True
            expected[player] += (Table().predict(mask[None])[0] - before) / 120
    found = exact.values(game(), sizes(measure("shapley", PLAYERS), PLAYERS - 1))
    np.testing.assert_allclose(found, expected)
    assert found.sum() == pytest.approx(WORTHS[-1] - WORTHS[0])


@pytest.mark.parametrize(("kind", "index"), [("shapley", "SII"), ("banzhaf", "BII")])
def test_interactions_are_shapiqs(kind: str, index: str) -> None:
    theirs = shapiq.ExactComputer(
        n_players=PLAYERS, game=lambda rows: Table().predict(np.atleast_2d(np.asarray(rows, dtype=bool)))
    )(index, order=2)
    found = exact.interactions(game(), sizes(measure(kind, PLAYERS), PLAYERS - 2))
    for i, j in combinations(range(PLAYERS), 2):
        assert [found[i, j], found[j, i]] == pytest.approx([theirs[(i, j)]] * 2)


@pytest.mark.parametrize("strata", [(4, 2), (1, 2, 3, 4), (5, 0)])
def test_the_stratified_contribution_is_what_sampling_tends_to(strata: tuple[int, ...]) -> None:
    found = exact.values(game(), stratified_sizes(PLAYERS, strata))
    sampled = stratified_contributions(Table(), PLAYERS, strata, 200_000, 0).mean(axis=0)
    np.testing.assert_allclose(found, sampled, atol=0.02)


def test_values_are_exact_where_everything_was_measured() -> None:
    """By enumeration of the measurements themselves, without an interval; one missing coalition brings a surrogate."""
    losses = -WORTHS[:-1, None] / 4
    measured = Measurements(EVERY[:-1], losses, -WORTHS[-1:] / 4)
    found = layer_values(measured, "shapley", "log_score", (), 0)
    expected = exact.values(game(), sizes(measure("shapley", PLAYERS), PLAYERS - 1)) / 4
    np.testing.assert_allclose([item.value for item in found.values], expected)
    assert found.surrogate is None and all(item.low == item.value == item.high for item in found.values)
    pairs = pair_interactions(measured, "banzhaf", "score", 0)
    assert pairs.surrogate is None and all(pair.meaning != "undecided" for pair in pairs.pairs)
    partial = measured[np.arange(len(measured)) > 0]
    assert layer_values(partial, "shapley", "log_score", (), 0).surrogate is not None
