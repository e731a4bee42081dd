"""Predictive intervals hold what they promise; a prediction is explained, and says when it is an extrapolation."""

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attribution import exact
from core.attribution.closed_form import shares
from core.attribution.prediction import Predictor, explained
from core.attribution.stability import SETTLED, stability
from core.coalitions.masks import everything, without
from core.coalitions.measurements import Measurements
from core.records.fits import Fit
from core.records.results import ModelInfo, RunResult
from core.records.spec import TextProtocol
from core.records.values import Contribution
from core.records.values import Stability as Settling
from core.sampling.adaptive import propose
from core.sampling.strata import stratified
from core.surrogate.conformal import band_of, bands, half_of
from core.surrogate.surrogate import fit

LAYERS = 10
STRATA = (9, 8, 7, 6)
MASKS = stratified(LAYERS, STRATA, 160, 0)
COST = np.linspace(0.05, 0.6, LAYERS)


def loss(masks: np.ndarray) -> np.ndarray:
    """Costs add up, and the two first layers make up for each other."""
    return (~masks) @ COST + 0.5 * (~masks[:, 0] & ~masks[:, 1])


def measured(masks: np.ndarray, noise: float = 0.0) -> Measurements:
    jitter = np.random.default_rng(1).normal(0, noise or 1e-9, size=(len(masks), 4))
    return Measurements(masks, 3 + loss(masks)[:, None] + jitter, np.full(4, 3.0))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_every_mask_has_a_band(seed: int) -> None:
    masks = stratified(LAYERS, STRATA, 160, seed)
    found = bands(masks, residuals_of(masks, np.random.default_rng(seed)), seed)
    assert found[0].most == 9 and found[-1].fewest == 6
    assert sum((band_of(found, kept) is band) for band in found for kept in masks.sum(axis=1)) == len(masks)
    assert all(30 <= band.masks <= len(masks) and 0.6 <= band.coverage <= 1 for band in found)


def test_bands_cover_new_residuals() -> None:
    """Residuals of different widths by size: nine tenths of fresh ones are inside, over many runs."""
    inside = []
    for seed in range(100):
        rng, masks = np.random.default_rng(seed), stratified(LAYERS, STRATA, 160, seed)
        found = bands(masks, residuals_of(masks, rng), seed)
        half = np.array([band_of(found, kept).half for kept in masks.sum(axis=1)])
        inside += [(np.abs(residuals_of(masks, rng)) <= half).mean() for _ in range(20)]
    assert 0.89 <= np.mean(inside) <= 0.94


def residuals_of(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Larger where more is removed."""
    return np.asarray(rng.standard_t(3, len(masks)) * (1 + LAYERS - masks.sum(axis=1)))


def test_sizes_that_share_a_quantile_have_widths_of_their_own() -> None:
    """Few masks, residuals that grow with what is removed: a width for all would hold .97 at the top and .8 below."""
    inside: dict[int, list[float]] = {size: [] for size in STRATA}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        kept = stratified(LAYERS, STRATA, 56, seed).sum(axis=1)
        masks = np.arange(LAYERS) < kept[:, None]

        def drawn(rng: np.random.Generator = rng, kept: np.ndarray = kept) -> np.ndarray:
            return rng.normal(size=len(kept)) * (LAYERS - kept) ** 1.5

        found = bands(masks, drawn(), seed)
        assert [band.most for band in found] == list(STRATA)
        halves = np.array([half_of(found, int(size)) for size in kept])
        fresh = np.mean([np.abs(drawn()) <= halves for _ in range(20)], axis=0)
        for size in STRATA:
            inside[size].append(fresh[kept == size].mean())
    assert all(0.85 <= np.mean(of_size) <= 0.95 for of_size in inside.values()), inside


def test_widths_between_two_sizes_lie_between_theirs() -> None:
    masks = np.arange(LAYERS) < np.repeat([9, 5], 40)[:, None]
    found = bands(masks, np.repeat([0.1, 0.9], 40), 0)
    assert [half_of(found, size) for size in (9, 8, 7, 6, 5)] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert (half_of(found, 10), half_of(found, 2)) == pytest.approx((0.1, 0.9))


def test_the_empty_coalition_is_in_no_band_and_no_size() -> None:
    nothing = np.zeros((1, LAYERS), dtype=bool)
    more, residuals = np.concatenate([MASKS, nothing]), np.append(np.ones(len(MASKS)), 50.0)
    assert bands(more, residuals, 0) == bands(MASKS, residuals[:-1], 0)
    assert measured(np.repeat(nothing, 20, axis=0)).is_beyond(5)
    few = measured(np.concatenate([MASKS[:12], nothing]))  # so few that it would be no stray
    assert few.fewest_kept > 5.5 and few.is_beyond(4) and not few.is_beyond(7)
    assert explained(few, [0, 2, 4, 6, 8, 9], 0).extrapolated


def test_few_masks_make_one_band_that_may_be_infinite() -> None:
    [band] = bands(MASKS[:5], np.ones(5), 0)
    assert band.half == np.inf and band.masks == 5


def test_a_prediction_is_right_and_explained_as_shap_explains_it() -> None:
    data = measured(MASKS, 0.02)
    removed = [0, 1, 7]
    found = explained(data, removed, 0)
    mask = without(LAYERS, removed)
    assert np.log(found.perplexity) == pytest.approx(3 + loss(mask[None])[0], abs=0.1)
    assert found.low < found.perplexity < found.high and not found.extrapolated
    process = fit(data, log=True).process
    whole, pruned = process.predict(np.stack([np.ones(LAYERS, dtype=bool), mask]))
    assert sum(share.value for share in found.shares) == pytest.approx(pruned - whole, abs=1e-6)
    explainer = shap.explainers.Exact(lambda rows: process.predict(rows.astype(bool)), np.ones((1, LAYERS)))
    theirs = explainer(mask[None].astype(float)).values[0]
    np.testing.assert_allclose([share.value for share in found.shares], theirs[removed], atol=1e-6)
    assert found.shares[0].value < -0.2  # half of what it costs to lose both of the first two


@pytest.mark.parametrize("removed", [[4], [8, 2], [1, 2, 3, 5, 6, 7, 8, 9], range(9)])
def test_shares_are_the_shapley_values_of_the_removed_layers_by_enumeration(removed: list[int]) -> None:
    process = fit(measured(MASKS, 0.02)).process
    gone = everything(len(removed))
    masks = np.ones((len(gone), LAYERS), dtype=bool)
    masks[:, removed] = ~gone
    game = exact.cube(gone, process.predict(masks))
    assert game is not None
    by_hand = exact.values(game, np.full(len(removed), 1 / len(removed)))
    np.testing.assert_allclose(shares(process, removed), by_hand, atol=1e-9)


def test_predictions_far_from_the_masks_say_so() -> None:
    assert explained(measured(MASKS), [0, 2, 4, 6, 8, 9], 0).extrapolated
    assert not explained(measured(MASKS), [9], 0).extrapolated


@pytest.mark.parametrize("strata", [(4, 3, 2), (6, 5, 4), (8, 5)])
def test_larger_sets_than_were_measured_are_far_too(strata: tuple[int, ...]) -> None:
    """Also where the whole model stands among the masks; a gap of a tenth below it is interpolated."""
    masks = np.concatenate([stratified(LAYERS, strata, 60, 0), np.ones((1, LAYERS), dtype=bool)])
    found = {
        kept: explained(measured(masks), list(range(LAYERS - kept)), 0).extrapolated for kept in (9, max(strata) + 1)
    }
    assert all(found.values())
    assert not explained(measured(masks), list(range(LAYERS - max(strata))), 0).extrapolated
    assert not explained(measured(stratified(LAYERS, (9, 7), 40, 0)), [3], 0).extrapolated


def test_what_is_chosen_for_its_prediction_is_corrected_and_covered() -> None:
    """The best predicted of each size in games that are no draw from the prior; nothing is taken off random sets.

    The truly best are covered as well: those that a search finds by measuring.
    """
    every = everything(LAYERS)
    plain, mended, inside, best_inside = [], [], [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        cost = rng.exponential(0.3, LAYERS)
        partners = rng.permutation(LAYERS).reshape(-1, 2)

        def rise(masks: np.ndarray, cost: np.ndarray = cost, partners: np.ndarray = partners) -> np.ndarray:
            return (~masks) @ cost + 1.2 * (~masks[:, partners]).all(axis=2).sum(axis=1)

        masks = stratified(LAYERS, STRATA, 60, seed)
        data = Measurements(masks, 3 + rise(masks)[:, None] + np.zeros(2), np.full(2, 3.0))
        surrogate = fit(data)
        predictor = Predictor(surrogate, bands(masks, np.zeros(len(masks)) + 0.5, 0))
        new = every[~(every[:, None] == masks).all(axis=2).any(axis=1)]
        for size in (8, 7, 6):
            some = new[new.sum(axis=1) == size]
            best = some[surrogate.process.predict(some).argmax()]
            found, truth = predictor.predict(np.flatnonzero(~best)), 3 + rise(best[None])[0]
            mended.append(truth - np.log(found.perplexity))
            plain.append(truth - np.log(found.perplexity) + found.optimism)
            inside.append(found.low <= np.exp(truth) <= found.high)
            below, above = np.log(found.perplexity / found.low), np.log(found.high / found.perplexity)
            assert below == pytest.approx(above + found.optimism), "it begins where nothing is taken off"
            best = some[rise(some).argmin()]
            found = predictor.predict(np.flatnonzero(~best))
            best_inside.append(found.low <= np.exp(3 + rise(best[None])[0]) <= found.high)
            other = predictor.predict(np.flatnonzero(~some[surrogate.process.predict(some).argmin()]))
            assert other.optimism == 0
    assert np.mean(plain) > 0 and abs(np.mean(mended)) < np.mean(plain)
    assert np.mean(inside) >= 0.75 and np.mean(best_inside) >= 0.85


def test_proposals_are_new_and_hold_the_best() -> None:
    """The least costly layers are found: for each count, a promising mask near what is best."""
    some = measured(MASKS[:60])
    found = propose(some, STRATA, 24, 0)
    assert len(found) == 24 == len({mask.tobytes() for mask in found})
    assert not {mask.tobytes() for mask in found} & {mask.tobytes() for mask in MASKS[:60]}
    np.testing.assert_array_equal(found, propose(some, STRATA, 24, 0))
    for count in (2, 3):
        best = loss(found[(~found).sum(axis=1) == count]).min()
        random = np.median(loss(stratified(LAYERS, (LAYERS - count,), 10, 5)))
        assert best < random


def test_proposals_end_when_everything_is_known() -> None:
    masks = stratified(4, (3, 2, 1), 14, 0)
    known = Measurements(masks, np.ones((14, 2)) * (~masks).sum(axis=1)[:, None], np.zeros(2))
    assert len(propose(known, (3, 2, 1), 10, 0)) == 0


def settling(half: float, masks: int = 300) -> Settling:
    contributions = tuple(Contribution(i, i / 10, i / 10 - half, i / 10 + half, 0.0) for i in range(LAYERS))
    fit_ = Fit("any", 1.0, 1.0, 0.0, masks)
    info = ModelInfo("bundled", "Llama", LAYERS, 1, "x", "float32", "cpu")
    protocol = TextProtocol("text", "calibration", 16, 16, "none", 4, 0, "y")
    result = RunResult("run", info, protocol, STRATA, masks, 3.0, contributions, fit_, (), 0, masks, 0, 1.0)
    return stability(result)


def test_a_ranking_settles_as_its_intervals_shrink() -> None:
    sure, unsure, hopeless = settling(0.01), settling(0.4), settling(50.0)
    assert sure.spearman > 0.999 and sure.more == 0
    assert unsure.spearman < SETTLED and unsure.more is not None and unsure.more > 0
    assert hopeless.more is None
    # What is foretold comes true: with that many more evaluations, and intervals that much narrower.
    later = settling(0.4 * (300 / (300 + unsure.more)) ** 0.5, 300 + unsure.more)
    assert later.spearman >= SETTLED - 0.01


def test_stability_is_the_correlation_with_a_second_study() -> None:
    """Two estimates with independent errors of the stated size, again and again: their rank correlation."""
    rng, truth, sd = np.random.default_rng(0), np.arange(LAYERS) / 10, 0.2
    pairs = truth + rng.normal(0, sd, size=(2000, 2, LAYERS))
    ranks = pairs.argsort(axis=2).argsort(axis=2)
    found = 1 - 6 * ((ranks[:, 0] - ranks[:, 1]) ** 2).sum(axis=1) / (LAYERS * (LAYERS**2 - 1))
    assert settling(1.6449 * sd).spearman == pytest.approx(found.mean(), abs=0.06)
