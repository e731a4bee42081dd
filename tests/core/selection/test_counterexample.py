"""Counterexamples to removing one by one, against brute force over all removals; values taken apart; orders."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from app.interactions.clustered import clustered
from core.attribution.breakdown import breakdown
from core.attribution.named_values import layer_values
from core.attribution.stability import rank_intervals
from core.coalitions.masks import without
from core.coalitions.measurements import Measurements
from core.records.values import Contribution, PairInteraction, PairInteractions
from core.sampling.strata import stratified
from core.selection import counterexample
from core.selection.counterexample import by_contribution, by_prediction, find_counterexample
from core.surrogate.gaussian_process import Kernel, condition
from core.surrogate.surrogate import Surrogate, fit

LAYERS = 9
SEQUENCES = np.array([3.5, 4.0, 4.5])


def game(masks: np.ndarray) -> np.ndarray:
    """Layers 0 and 1 make up for each other: each costs least alone, and both together cost most."""
    gone = ~masks
    return gone @ np.array([0.05, 0.06, 0.1, 0.12, 0.4, 0.5, 0.6, 0.7, 0.8]) + 1.0 * (gone[:, 0] & gone[:, 1])


def additive(masks: np.ndarray) -> np.ndarray:
    return ~masks @ np.linspace(0.05, 0.5, LAYERS)


def measured(masks: np.ndarray, losses: np.ndarray) -> Measurements:
    return Measurements(masks, losses[:, None] + SEQUENCES, SEQUENCES)


def sampled(of=game) -> Measurements:
    masks = stratified(LAYERS, (8, 7, 6, 5, 4), 120, 0)
    masks = masks[(~masks).sum(axis=1) != 2]  # no removal of two is known
    return measured(masks, of(masks))


def contributions(values: list[float]) -> list[Contribution]:
    return [Contribution(layer, value, value - 0.01, value + 0.01, 0.0) for layer, value in enumerate(values)]


RANKED = contributions([0.05, 0.06, 0.1, 0.12, 0.4, 0.5, 0.6, 0.7, 0.8])


def brute_force(count: int) -> tuple[int, ...]:
    removals = list(combinations(range(LAYERS), count))
    return removals[int(game(np.array([without(LAYERS, gone) for gone in removals])).argmin())]


def test_ranking_fails_at_two_and_the_better_removal_is_brute_forces() -> None:
    found = find_counterexample(fit(sampled()), by_contribution(RANKED))
    assert found is not None and not found.measured and found.count == 2
    assert found.one_by_one == (0, 1) and found.better == brute_force(2)
    one, other = game(np.array([without(LAYERS, (0, 1)), without(LAYERS, found.better)]))
    assert found.gap == pytest.approx(one - other, abs=0.15)


def test_measurements_settle_it_either_way() -> None:
    """Both measured: a fact. Measured to be no worse: no counterexample, whatever the surrogate says."""
    surrogate = fit(sampled())
    pair = np.array([without(LAYERS, (0, 1)), without(LAYERS, brute_force(2))])
    for losses, expected in ((game(pair), True), (np.array([0.1, 0.9]), False)):
        known = measured(np.concatenate([surrogate.measured.masks, pair]), np.zeros(1))
        known = replace(known, losses=np.concatenate([surrogate.measured.losses, losses[:, None] + SEQUENCES]))
        found = find_counterexample(replace(surrogate, measured=known), by_contribution(RANKED)[:2])
        assert (found is not None and found.measured) == expected
        if found is not None:
            assert found.gap == pytest.approx(losses[0] - losses[1]) and found.better == brute_force(2)


@pytest.mark.parametrize(("noise", "settled"), [(0.02, True), (1.5, False)])
def test_a_measured_gap_counts_where_the_noise_of_the_text_allows(noise: float, settled: bool) -> None:
    """A paired t test over sequences, by scipy; where it does not settle it, that is said."""
    pair = np.array([without(LAYERS, (0, 1)), without(LAYERS, brute_force(2))])
    rng = np.random.default_rng(3)
    masks = np.concatenate([sampled().masks, pair])
    losses = game(masks)[:, None] + np.linspace(3, 5, 6)
    losses[-2:] += rng.normal(0, noise, (2, 6))
    losses[-2:] += (game(pair) + 4 - losses[-2:].mean(axis=1))[:, None]  # the gap stays what it is
    surrogate = fit(Measurements(masks, losses, np.linspace(3, 5, 6)))
    found = find_counterexample(surrogate, by_contribution(RANKED)[:2])
    assert found is not None and found.measured and found.settled == settled
    tested = ttest_1samp(losses[-2] - losses[-1], 0.0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((tested.low, tested.high))
    one = fit(Measurements(masks, losses[:, :1], np.array([3.0])))
    alone = find_counterexample(one, by_contribution(RANKED)[:2])
    assert alone is None or not alone.settled


def test_greedy_by_prediction_takes_the_best_next_layer() -> None:
    path = by_prediction(fit(sampled()))
    assert [len(step) for step in path] == [1, 2, 3, 4]
    mask = np.ones(LAYERS, dtype=bool)
    for step in path:
        options = [without(LAYERS, (*np.flatnonzero(~mask), layer)) for layer in np.flatnonzero(mask)]
        mask = options[int(game(np.array(options)).argmin())]
        assert step == tuple(np.flatnonzero(~mask))


def test_there_is_none_in_an_additive_game() -> None:
    values = list(np.linspace(0.05, 0.5, LAYERS))
    surrogate = fit(sampled(additive))
    assert find_counterexample(surrogate, by_contribution(contributions(values))) is None
    assert find_counterexample(surrogate, by_prediction(surrogate)) is None


@pytest.mark.parametrize("count", [2, 3, 4])
def test_beam_and_swaps_find_what_enumeration_finds(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    process = fit(sampled()).process
    found = []
    for listed in (10_000, 0):
        monkeypatch.setattr(counterexample, "_LISTED", listed)
        beam = np.ones((1, LAYERS), dtype=bool)
        for _ in range(count):
            beam = counterexample._best(process, beam)
        found.append(tuple(np.flatnonzero(~beam[0])))
    assert found[0] == found[1] == brute_force(count)


def test_breakdown_adds_up() -> None:
    """Strata average to the stratified contribution; in nats, sequences average to the value of all of them."""
    some = sampled()
    losses = some.losses * np.array([0.7, 1.0, 1.3])  # sequences differ
    some = replace(some, losses=losses, dense=SEQUENCES * np.array([0.7, 1.0, 1.3]))
    strata = (8, 6, 4)
    found = breakdown(some, "stratified", "log_score", strata, 0)
    whole = [item.value for item in layer_values(some, "stratified", "log_score", strata, 0).values]
    np.testing.assert_allclose(found.by_stratum.mean(axis=0), whole, atol=1e-9)
    np.testing.assert_allclose(found.by_sequence.mean(axis=0), whole, atol=1e-3)
    assert (found.calibration > 0).all()
    one = replace(some, losses=losses[:, :1], dense=some.dense[:1])
    assert np.isnan(breakdown(one, "shapley", "score", strata, 0).calibration).all()


def test_rank_intervals_are_as_wide_as_the_doubt() -> None:
    sure = rank_intervals([replace(item, high=item.value + 1e-6) for item in RANKED])
    np.testing.assert_array_equal(sure, np.repeat(np.arange(1.0, LAYERS + 1)[:, None], 3, axis=1))
    unsure = rank_intervals([replace(item, high=item.value + 100) for item in RANKED])
    assert (unsure[:, 1] <= 2).all() and (unsure[:, 2] >= LAYERS - 1).all()


def test_clusters_stand_together() -> None:
    """Layers 0, 3, 5 make up for each other, and so do 1, 2, 4."""
    groups = ({0, 3, 5}, {1, 2, 4})
    pairs = tuple(
        PairInteraction(i, j, value, value, value)
        for i, j in combinations(range(6), 2)
        for value in [-1.0 if any({i, j} <= group for group in groups) else 0.1]
    )
    order = clustered(PairInteractions("local", "log_score", pairs, None, 0.0), 6)
    assert {frozenset(order[:3]), frozenset(order[3:])} == set(map(frozenset, groups))


def test_the_likeliest_step_where_none_is_sure() -> None:
    """Noisy coalitions leave doubt. The probability is the share of games drawn from the posterior that agree."""
    some = sampled()
    masks = np.concatenate([np.ones_like(some.masks[:1]), some.masks])
    targets = np.append(0.0, some.log_scores)
    process = condition(Kernel(np.full(LAYERS, 0.1), 1.0, 2.0), masks, targets)
    found = find_counterexample(Surrogate(process, True, some), by_contribution(RANKED)[:2])
    assert found is not None and not found.measured and found.gap > 0
    assert found.one_by_one == (0, 1)
    both = np.array([without(LAYERS, found.one_by_one), without(LAYERS, found.better)])
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal(process.predict(both), process.covariance(both), size=4000)
    assert 2 / 3 < found.probability < 0.95 and process.overconfidence() == 1.0
    assert found.probability == pytest.approx(np.mean([one < other for one, other in drawn]), abs=0.03)
