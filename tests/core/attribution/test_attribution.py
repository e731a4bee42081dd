"""Contributions against brute force, closed forms, axioms, and shap."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attribution.contributions import contributions as of_run
from core.attribution.stratified import stratified_contributions
from core.coalitions.masks import Masks
from core.coalitions.measurements import Measurements
from core.records.values import Contribution
from core.sampling.strata import stratified
from core.surrogate.surrogate import fit

LAYERS = 6
EVERY = np.array([[bool(bits >> layer & 1) for layer in range(LAYERS)] for bits in range(2**LAYERS)])


def measured(masks: Masks, losses: np.ndarray) -> Measurements:
    return Measurements(masks, losses[:, None] + np.array([3.0, 4.0]), np.array([3.0, 4.0]))


def overall(seen: Measurements, strata: tuple[int, ...]) -> list[Contribution]:
    found = of_run(fit(seen), strata, seed=0, samples=8000)
    return [item for item in found if item.stratum is None]


def table_game(seed: int) -> np.ndarray:
    """A worth for each of the 2^n coalitions."""
    return np.random.default_rng(seed).normal(size=2**LAYERS)


def player(worths: np.ndarray, masks: Masks) -> np.ndarray:
    return worths[masks @ (1 << np.arange(masks.shape[-1]))]


class Game:
    """A worth for any masks, asked for flip by flip."""

    def __init__(self, worth: Callable[[Masks], np.ndarray]) -> None:
        self.worth = worth

    def with_flips(self, masks: Masks) -> tuple[np.ndarray, np.ndarray]:
        flips = [self.worth(masks ^ (np.arange(masks.shape[1]) == layer)) for layer in range(masks.shape[1])]
        return self.worth(masks), np.stack(flips, axis=1)


def by_hand(worths: np.ndarray, strata: list[int]) -> np.ndarray:
    """The definition, over all masks of each stratum: mean of v(q with i) - v(q without i)."""
    rows = []
    for kept in strata:
        effects = []
        for chosen in combinations(range(LAYERS), kept):
            q = np.isin(np.arange(LAYERS), chosen)
            effects.append(
                [
                    player(worths, (q | (np.arange(LAYERS) == i))[None])[0]
                    - player(worths, (q & (np.arange(LAYERS) != i))[None])[0]
                    for i in range(LAYERS)
                ]
            )
        rows.append(np.mean(effects, axis=0))
    return np.array(rows)


@pytest.mark.parametrize("strata", [[5, 4, 3], [1], [6, 0]])
def test_agrees_with_the_definition(strata: list[int]) -> None:
    worths = table_game(0)
    ours = stratified_contributions(Game(lambda masks: player(worths, masks)), LAYERS, strata, 60_000, 0)
    np.testing.assert_allclose(ours, by_hand(worths, strata), atol=0.05)


def test_all_sizes_together_give_shaps_shapley_values() -> None:
    """Strata 0..n, averaged, are the Shapley value: shap's exact explainer on a trained surrogate agrees."""
    masks = stratified(LAYERS, (5, 4, 3, 2, 1), 50, 0)
    surrogate = fit(measured(masks, player(np.abs(table_game(1)), masks)))
    ours = stratified_contributions(surrogate, LAYERS, range(LAYERS + 1), 70_000, 0).mean(axis=0)
    explainer = shap.explainers.Exact(lambda rows: surrogate.predict(rows.astype(bool)), np.zeros((1, LAYERS)))
    np.testing.assert_allclose(ours, explainer(np.ones((1, LAYERS))).values[0], atol=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.lists(st.integers(1, LAYERS - 1), min_size=1, max_size=3, unique=True))
def test_axioms(seed: int, strata: list[int]) -> None:
    """Null player, symmetry and linearity hold for every sample of masks, not only in the limit."""
    rng = np.random.default_rng(seed)
    first, second = table_game(seed), table_game(seed + 1)

    def contributions(worths: np.ndarray) -> np.ndarray:
        return stratified_contributions(Game(lambda masks: player(worths, masks)), LAYERS, strata, 500, 0)

    a, b = rng.normal(size=2)
    np.testing.assert_allclose(
        contributions(a * first + b * second), a * contributions(first) + b * contributions(second)
    )
    null = player(first, EVERY & (np.arange(LAYERS) != 2))  # layer 2 changes nothing
    assert np.abs(contributions(null)[:, 2]).max() < 1e-12
    additive = EVERY @ np.array([1.0, 1.0, 2.0, 0.0, -1.0, 3.0])
    np.testing.assert_allclose(
        contributions(additive), np.tile([1.0, 1.0, 2.0, 0.0, -1.0, 3.0], (len(strata), 1)), atol=1e-9
    )


def test_quadratic_game_has_its_closed_form() -> None:
    """c_i = b_i + (mean kept / n) sum_j B_ij for a game of single and pair terms."""
    rng = np.random.default_rng(3)
    single, pair = rng.normal(size=12), np.triu(rng.normal(size=(12, 12)), 1)

    def worth(masks: Masks) -> np.ndarray:
        return masks @ single + np.einsum("mi,ij,mj->m", masks, pair, masks)

    strata = (11, 10, 9, 8, 7)
    ours = stratified_contributions(Game(worth), 12, strata, 100_000, 0).mean(axis=0)
    expected = single + np.mean(strata) / 12 * (pair + pair.T).sum(axis=1)
    np.testing.assert_allclose(ours, expected, atol=0.03)


def test_estimate_finds_the_layers_that_matter() -> None:
    """On a game with known contributions: the right order, and intervals that hold most of the true values."""
    weight = np.array([2.0, 0.1, 1.0, 0.0, 0.6, 0.0, 1.5, 0.3])

    def score(masks: Masks) -> np.ndarray:
        return np.exp(-((~masks) @ weight))

    strata = (7, 6, 5, 4)
    masks = stratified(8, strata, 120, 0)
    found = overall(measured(masks, -np.log(score(masks))), strata)
    truth = stratified_contributions(Game(score), 8, strata, 80_000, 1).mean(axis=0)
    values = np.array([item.value for item in found])
    assert np.corrcoef(values, truth)[0, 1] > 0.98
    assert [item.layer for item in found] == list(range(8))
    assert all(item.low <= item.value <= item.high for item in found)
    assert np.abs(values - truth).max() < 0.03


def test_estimate_is_reproducible() -> None:
    masks = stratified(LAYERS, (5, 4, 3), 30, 0)
    seen = measured(masks, (~masks).sum(axis=1) / 3.0)
    assert overall(seen, (5, 4, 3)) == overall(seen, (5, 4, 3))


def test_intervals_cover_what_they_claim() -> None:
    """Over games drawn at random, the 90 % intervals hold the true contributions about as often as they say."""
    strata, held = (11, 10, 9, 8, 7), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        single = rng.exponential(0.3, size=12)
        pair = np.triu(rng.normal(0, 0.15, size=(12, 12)), 1)

        def loss(masks: Masks, single: np.ndarray = single, pair: np.ndarray = pair) -> np.ndarray:
            gone = (~masks).astype(float)
            return gone @ single + np.einsum("mi,ij,mj->m", gone, pair, gone)

        masks = stratified(12, strata, 60, seed)
        found = overall(measured(masks, loss(masks)), strata)
        game = Game(lambda masks, loss=loss: np.exp(-loss(masks)))
        truth = stratified_contributions(game, 12, strata, 40_000, 1).mean(axis=0)
        held += [item.low <= value <= item.high for item, value in zip(found, truth, strict=True)]
    assert 0.8 <= np.mean(held) <= 0.99
