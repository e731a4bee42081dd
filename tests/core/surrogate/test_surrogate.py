"""The Gaussian process against scikit-learn's, its draws against its own posterior, and validation against leaks."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.metrics import r2_score

from cache.database import Database
from core.coalitions.measurements import Measurements
from core.records.reader import from_json
from core.records.results import RunResult
from core.sampling.strata import stratified
from core.surrogate.gaussian_process import Kernel, condition
from core.surrogate.hyperparameters import learn
from core.surrogate.stacked import stack
from core.surrogate.surrogate import FOLDS, fit, fit_worth, folds_of, learnt_of
from core.surrogate.validation import compare, of_process
from tests.support.stored import store_run

LAYERS = 10
STRATA = (9, 8, 7, 6, 5)
MASKS = stratified(LAYERS, STRATA, 150, 0)
OTHERS = stratified(LAYERS, STRATA, 400, 1)
WEIGHT = np.linspace(0.05, 1.5, LAYERS)


def loss(masks: np.ndarray) -> np.ndarray:
    """A game in which neighbours make up for each other."""
    gone = ~masks
    return gone @ WEIGHT + 0.6 * (gone[:, 1:] & gone[:, :-1]).sum(axis=1)


def measured(masks: np.ndarray, losses: np.ndarray) -> Measurements:
    """Three sequences of which one is easier and one is harder."""
    return Measurements(masks, losses[:, None] + np.array([3.5, 4.0, 4.5]), np.array([3.5, 4.0, 4.5]))


def scikit(kernel: Kernel, masks: np.ndarray, targets: np.ndarray) -> GaussianProcessRegressor:
    """The same process: on masks, RBF with length l has the factor exp(-1 / (2 l^2)) for a layer that differs."""
    theirs = ConstantKernel(kernel.variance) * RBF(np.sqrt(1 / (2 * kernel.decay))) + WhiteKernel(kernel.noise)
    return GaussianProcessRegressor(theirs, optimizer=None, alpha=0).fit(masks.astype(float), targets)


def test_posterior_is_scikit_learns() -> None:
    targets = -loss(MASKS)
    kernel = Kernel(np.linspace(0.02, 1.0, LAYERS), 1.7, 0.03)
    standard = (targets - targets.mean()) / targets.std()
    ours, theirs = condition(kernel, MASKS, targets), scikit(kernel, MASKS, standard)
    expected = theirs.predict(OTHERS.astype(float)) * targets.std() + targets.mean()
    np.testing.assert_allclose(ours.predict(OTHERS), expected, rtol=1e-8)


def test_learnt_hyperparameters_are_likely() -> None:
    """Beside scikit-learn's own search: a likelihood near its optimum (ours also holds a prior)."""
    targets = -loss(MASKS)
    standard = (targets - targets.mean()) / targets.std()
    theirs = ConstantKernel(1.0) * RBF(np.full(LAYERS, 1.5)) + WhiteKernel(0.02)
    best = GaussianProcessRegressor(theirs, alpha=0).fit(MASKS.astype(float), standard).log_marginal_likelihood_value_
    ours = scikit(learn(MASKS, targets), MASKS, standard).log_marginal_likelihood_value_
    assert ours > best - 15


def test_flips_are_predictions_of_flipped_masks() -> None:
    process = condition(learn(MASKS, -loss(MASKS)), MASKS, -loss(MASKS))
    whole, flipped = process.with_flips(OTHERS)
    np.testing.assert_allclose(whole, process.predict(OTHERS))
    for layer in range(LAYERS):
        other = OTHERS.copy()
        other[:, layer] ^= True
        np.testing.assert_allclose(flipped[:, layer], process.predict(other), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("log", [True, False])
def test_what_a_run_has_learnt_is_not_learnt_again(
    log: bool, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same surrogate, with the same doubt, also after a trip through a results file."""
    seen, run = measured(MASKS, loss(MASKS)), store_run(Database(cache_file))
    both = [fit(seen, log=kind).with_fifths(3) for kind in (True, False)]
    run = replace(run, learnt=tuple(surrogate.learnt for surrogate in both))
    known = from_json(RunResult, json.dumps(asdict(run)))
    assert known == run
    monkeypatch.setattr("core.surrogate.surrogate.learn", None)
    again, first = fit_worth(seen, "log_score" if log else "score", known), both[not log]
    np.testing.assert_array_equal(again.predict(OTHERS), first.predict(OTHERS))
    np.testing.assert_array_equal(again.held_out(3), first.held_out(3))


def test_what_a_run_has_learnt_serves_its_own_worths_and_a_game_that_has_not_outgrown_it(cache_file: Path) -> None:
    seen, run = measured(MASKS, loss(MASKS)), store_run(Database(cache_file))
    run = replace(run, learnt=(fit(seen).with_fifths(3).learnt,))

    def of(masks: int) -> RunResult:
        return replace(run, surrogate=replace(run.surrogate, masks=masks))

    assert learnt_of(of(150), "log_score", seen) == run.learnt[0] == learnt_of(of(60), "log_score", seen)
    assert learnt_of(of(150), "kl", seen) is None and learnt_of(of(150), "score", seen) is None
    assert learnt_of(of(40), "log_score", seen) is None and learnt_of(None, "log_score", seen) is None


def test_what_is_held_out_was_predicted_by_nobody_who_saw_it() -> None:
    """Fold by fold, it is a surrogate that was learnt from the other folds alone."""
    seen = measured(MASKS, loss(MASKS))
    surrogate, folds = fit(seen).with_fifths(1), folds_of(MASKS, 1)
    for fold in range(FOLDS):
        alone = fit(seen[folds != fold]).predict(MASKS[folds == fold])
        np.testing.assert_allclose(surrogate.held_out(1)[folds == fold], alone)
    kernels = np.array([surrogate.process.kernel.numbers, *(fifth.numbers for fifth in surrogate.fifths)])
    assert len(np.unique(kernels.round(6), axis=0)) == 1 + FOLDS


@pytest.mark.parametrize("log", [True, False])
def test_predicts_masks_it_has_not_seen(log: bool) -> None:
    predicted = fit(measured(MASKS, loss(MASKS)), log=log).predict(OTHERS)
    assert r2_score(np.exp(-loss(OTHERS)), predicted) > 0.95


def test_validation_does_not_leak() -> None:
    """Losses that are noise cannot be predicted for held-out masks, by any kind of surrogate."""
    noise = measured(MASKS, np.random.default_rng(0).uniform(0, 2, size=len(MASKS)))
    compared = compare(noise, 0)
    assert all(item.r2 < 0.1 for item in (compared.used, *compared.others))


def test_both_processes_are_used_and_all_kinds_are_told() -> None:
    compared = compare(measured(MASKS, loss(MASKS)), 0)
    used, others = compared.used, compared.others
    assert len({used.name, *(item.name for item in others)}) == 7
    processes = [item for item in others if item.name.startswith("Gaussian")]
    assert used.r2 > max(0.95, *(item.r2 - 0.005 for item in processes))
    assert of_process(fit(measured(MASKS, loss(MASKS))), 0) in processes
    assert of_process(compared.stacked, 0) == used


@pytest.mark.parametrize("log", [True, False])
def test_where_a_game_is_of_one_kind_its_process_has_the_say(log: bool) -> None:
    """Effects that multiply, or that add up."""
    gone = (~MASKS).astype(float) @ np.linspace(0.01, 0.1, LAYERS)
    scores = np.exp(-gone) if log else 1 - gone
    game = measured(MASKS, -np.log(scores))
    assert (stack(fit(game), fit(game, log=False), 0).level > 1) is log


def test_folds_share_every_hamming_weight() -> None:
    folds = folds_of(MASKS, 0)
    for size in np.unique(MASKS.sum(axis=1)):
        counts = np.bincount(folds[MASKS.sum(axis=1) == size], minlength=FOLDS)
        assert np.ptp(counts) <= 1


def test_a_few_ruined_models_do_not_hide_the_rest() -> None:
    """Infinite losses among good ones: the effects of the layers are still seen, and nothing fails."""
    for seed in range(8):
        masks = stratified(LAYERS, STRATA, 40, seed)
        losses = (~masks) @ np.full(LAYERS, 0.1)
        losses[np.random.default_rng(seed).permutation(40)[:4]] = np.inf
        process = fit(measured(masks, losses)).process
        assert process.kernel.variance > 1e-2
        assert process.predict(OTHERS).std() > 0.05


def test_tiny_games_can_be_learnt() -> None:
    """All coalitions of four layers, with ruined ones among them, noise, and no effect at all."""
    every = np.array([[bool(bits >> layer & 1) for layer in range(4)] for bits in range(1, 15)])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        masks = rng.permutation(every)
        losses = (~masks) @ (rng.exponential(0.02, 4) * (seed % 3))
        losses[: 1 + seed % 2] = np.inf
        assert np.isfinite(fit(measured(masks, losses)).predict(every)).all()


def test_the_whole_model_is_known_to_every_surrogate() -> None:
    seen = measured(MASKS[MASKS.sum(axis=1) < 8], loss(MASKS[MASKS.sum(axis=1) < 8]))
    for log in (True, False):
        assert fit(seen, log=log).predict(np.ones((1, LAYERS), bool))[0] == pytest.approx(1, abs=0.05)


def test_memory_does_not_grow_with_any_number_of_masks() -> None:
    masks = np.random.default_rng(0).random((20_000, LAYERS)) < 0.7
    process = fit(measured(masks, loss(masks))).process
    assert len(process.masks) == len(process.weights) == 3000


def test_overconfidence_is_that_of_leaving_one_out() -> None:
    """Each mask predicted from all the others, one by one; a process that was told of too little noise is too sure."""
    rng = np.random.default_rng(0)
    masks, targets = MASKS[:40], rng.normal(size=40)
    kernel = Kernel(np.full(masks.shape[1], 0.05), 1.0, 0.01)
    scaled = (targets - targets.mean()) / targets.std()
    covariance = kernel(masks, masks) + 0.01 * np.eye(40)
    found = []
    for left in range(40):
        others = np.arange(40) != left
        weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, left])
        deviation = np.sqrt(covariance[left, left] - weights @ covariance[others, left])
        found.append(abs(scaled[left] - weights @ scaled[others]) / deviation)
    expected = np.quantile(found, 0.9) / 1.6449
    assert condition(kernel, masks, targets).overconfidence() == pytest.approx(expected, rel=1e-4)
    assert expected > 1.5
