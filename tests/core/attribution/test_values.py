"""Closed forms against brute force over all coalitions, shap, shapiq, and the axioms."""

from itertools import combinations

import numpy as np
import pytest
import shap
import shapiq
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attribution import exact
from core.attribution.closed_form import interactions, interactions_left_open, measure, sizes, values
from core.attribution.closed_form import stratified as by_strata
from core.attribution.stratified import stratified_contributions
from core.coalitions.masks import everything
from core.records.values import CLOSED_FORMS
from core.sampling.strata import stratified, stratified_sizes
from core.surrogate.gaussian_process import GaussianProcess, Kernel, condition

LAYERS = 8
EVERY = np.array([[bool(bits >> layer & 1) for layer in range(LAYERS)] for bits in range(2**LAYERS)])
MASKS = stratified(LAYERS, (7, 6, 5, 4, 3), 40, 0)


def process(seed: int) -> GaussianProcess:
    rng = np.random.default_rng(seed)
    return condition(Kernel(rng.uniform(0.01, 1.5, LAYERS), 1.3, 0.01), MASKS, rng.normal(size=len(MASKS)))


def by_hand(worth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected marginal contributions: all coalitions of the others of one size alike, sizes by `weights`."""
    found = np.zeros(LAYERS)
    for layer in range(LAYERS):
        others = [other for other in range(LAYERS) if other != layer]
        for size in range(LAYERS):
            marginals = [
                worth[sum(1 << i for i in chosen) | 1 << layer] - worth[sum(1 << i for i in chosen)]
                for chosen in combinations(others, size)
            ]
            found[layer] += weights[size] * np.mean(marginals)
    return found


@pytest.mark.parametrize("kind", CLOSED_FORMS)
def test_values_are_those_of_brute_force(kind: str) -> None:
    game = process(3)
    how = measure(kind, LAYERS)
    np.testing.assert_allclose(values(game, how), by_hand(game.predict(EVERY), sizes(how, LAYERS - 1)), atol=1e-6)


def test_stratified_contributions_are_those_of_brute_force() -> None:
    game, strata = process(5), (7, 4, 1)
    expected = by_hand(game.predict(EVERY), stratified_sizes(LAYERS, strata))
    np.testing.assert_allclose(values(game, by_strata(LAYERS, strata)), expected, atol=1e-9)


def test_stratified_contributions_of_a_deep_model_lose_no_digits() -> None:
    """Eighty layers, against the mean over sampled masks."""
    rng = np.random.default_rng(0)
    masks = stratified(80, (79, 60, 40, 2), 200, 0)
    game = condition(Kernel(np.full(80, 0.01), 1.0, 0.01), masks, masks @ rng.normal(size=80))
    sampled = stratified_contributions(game, 80, (79, 60, 40, 2), 40_000, 0).mean(axis=0)
    found = values(game, by_strata(80, (79, 60, 40, 2)))
    np.testing.assert_allclose(found, sampled, atol=0.02 * np.abs(found).max())


def test_sizes_are_the_definitions() -> None:
    np.testing.assert_allclose(sizes(measure("shapley", LAYERS), LAYERS - 1), 1 / LAYERS)
    binomial = np.array([len(list(combinations(range(LAYERS - 1), size))) for size in range(LAYERS)])
    np.testing.assert_allclose(sizes(measure("banzhaf", LAYERS), LAYERS - 1), binomial / 2 ** (LAYERS - 1))
    local = sizes(measure("local", LAYERS), LAYERS - 1)
    assert local.sum() == pytest.approx(1) and local[-1] == pytest.approx(0.9 ** (LAYERS - 1))


def test_shapley_values_are_shaps() -> None:
    game = process(1)
    explainer = shap.explainers.Exact(lambda rows: game.predict(rows.astype(bool)), np.zeros((1, LAYERS)))
    theirs = explainer(np.ones((1, LAYERS))).values[0]
    np.testing.assert_allclose(values(game, measure("shapley", LAYERS)), theirs, atol=1e-6)


@pytest.mark.parametrize(("kind", "index"), [("shapley", "SII"), ("banzhaf", "BII"), ("faithful", "FSII")])
def test_interactions_are_shapiqs(kind: str, index: str) -> None:
    game = process(2)
    exact = shapiq.ExactComputer(
        n_players=LAYERS, game=lambda rows: game.predict(np.atleast_2d(np.asarray(rows, dtype=bool)))
    )
    theirs = exact(index, order=2)
    ours = interactions(game, measure(kind, LAYERS))
    for i, j in combinations(range(LAYERS), 2):
        assert [ours[i, j], ours[j, i]] == pytest.approx([theirs[(i, j)]] * 2, abs=1e-6)


@pytest.mark.parametrize("kind", ["shapley", "banzhaf", "faithful"])
def test_what_is_left_open_of_interactions_is_that_of_all_coalitions(kind: str) -> None:
    """An interaction is linear in the game, so that its variance follows from the covariance of all worths."""
    game, how, cube = process(4), measure(kind, LAYERS), (2,) * LAYERS
    others = sizes(how, LAYERS - 2)
    rows = np.array([exact.interactions(row.reshape(cube), others) for row in game.covariance(everything(LAYERS))])
    variance = np.zeros((LAYERS, LAYERS))
    for i, j in combinations(range(LAYERS), 2):
        variance[i, j] = variance[j, i] = exact.interactions(rows[:, i, j].reshape(cube), others)[i, j]
    np.testing.assert_allclose(interactions_left_open(game, how), np.sqrt(variance), atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_axioms(seed: int) -> None:
    """Efficiency; a layer that the kernel ignores is a null player; twins are treated alike; linear in the targets."""
    how = measure("shapley", LAYERS)
    whole, nothing = process(seed).predict(EVERY[[-1, 0]])
    assert values(process(seed), how).sum() == pytest.approx(whole - nothing, abs=1e-6)
    rng = np.random.default_rng(seed)
    decay = rng.uniform(0.01, 1.5, LAYERS)
    decay[2], decay[5] = 1e-12, decay[4]
    twins = np.concatenate([MASKS, MASKS[:, [0, 1, 2, 3, 5, 4, 6, 7]]])
    targets = np.tile(rng.normal(size=len(MASKS)), 2)
    game = condition(Kernel(decay, 1.0, 0.01), twins, targets)
    found = values(game, how)
    assert abs(found[2]) < 1e-9 and found[4] == pytest.approx(found[5], abs=1e-8)
    assert np.abs(interactions(game, how)[2]).max() < 1e-9
    np.testing.assert_allclose(values(game.retarget(2 * targets + 3), how), 2 * found, atol=1e-8)
