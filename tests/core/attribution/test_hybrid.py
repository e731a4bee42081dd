"""Values of a game that is known in part: against brute force, shapiq, the axioms, and known games."""

from itertools import combinations
from typing import cast

import numpy as np
import pytest
import shapiq
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attribution import doubt, exact
from core.attribution.closed_form import measure, sizes
from core.attribution.contributions import contributions
from core.attribution.hybrid import Hybrid, averaging, hybrid
from core.attribution.named_values import layer_values, pair_interactions
from core.coalitions.masks import Masks, everything
from core.coalitions.measurements import Measurements
from core.coalitions.worth import WORTHS
from core.sampling.pairs import paired
from core.sampling.strata import stratified
from core.surrogate.process_readings import Reading
from core.surrogate.stacked import Stacked
from core.surrogate.surrogate import fit

PLAYERS, STRATA = 8, (7, 6, 4)
EVERY = everything(PLAYERS)
KINDS = ("stratified", "shapley", "banzhaf", "local")


def losses_of(masks: Masks, seed: int = 0) -> np.ndarray:
    """Mean losses of three sequences: single and pair effects, and a part that nothing explains."""
    rng = np.random.default_rng([seed, masks.shape[1]])
    single, pair = rng.exponential(0.4, masks.shape[1]), rng.normal(0, 0.2, (masks.shape[1],) * 2)
    gone = (~masks).astype(float)
    rough = np.array([np.random.default_rng([seed, *np.packbits(mask)]).normal() for mask in masks])
    rise = gone @ single + np.einsum("mi,ij,mj->m", gone, pair, gone) + 0.3 * rough * gone.any(axis=1)
    return rise[:, None] * np.array([0.9, 1.0, 1.1]) + np.array([3.0, 3.5, 4.0])


def measured(masks: Masks, seed: int = 0) -> Measurements:
    whole = np.ones((1, masks.shape[1]), dtype=bool)
    return Measurements(masks, losses_of(masks, seed), losses_of(whole, seed)[0])


@pytest.fixture
def named_players_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were too many players to name all coalitions: closed forms and sampling must do."""
    monkeypatch.setattr("core.attribution.hybrid.MOST_PLAYERS", 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("log", "as_log"), [(True, True), (False, False)])
@pytest.mark.usefixtures("named_players_only")
def test_values_are_those_of_brute_force(kind: str, log: bool, as_log: bool) -> None:
    """Of the game that is measured where it was measured and predicted elsewhere, coalition by coalition."""
    game = hybrid(fit(measured(paired(PLAYERS, 60, 0)), log=log), as_log)
    asked = averaging(kind, PLAYERS, STRATA)
    [found] = game.values([asked], seed=0)
    cube = game.predict(EVERY).reshape((2,) * PLAYERS)
    np.testing.assert_allclose(found, exact.values(cube, asked.sizes), atol=1e-9 if not as_log else 1e-3)


@pytest.mark.usefixtures("named_players_only")
def test_scores_read_from_their_logarithm_come_near() -> None:
    """By the process on the logarithm alone, and mixed with that on the score."""
    on_log, on_score = (fit(measured(paired(PLAYERS, 60, 0)), log=log) for log in (True, False))
    kinds = [averaging(kind, PLAYERS, STRATA) for kind in KINDS]
    for surrogate in (on_log, Stacked(on_log, on_score, level=0.4)):
        game = hybrid(surrogate, log=False)
        cube = game.predict(EVERY).reshape((2,) * PLAYERS)
        for found, kind in zip(game.values(kinds, seed=0), kinds, strict=True):
            np.testing.assert_allclose(found, exact.values(cube, kind.sizes), atol=0.004)


def test_sizes_that_were_measured_as_a_whole_are_no_sample() -> None:
    """The jackknife by hand: sizes 0, 1, 6 and 7 are complete, and only what is left out of the others moves it."""
    whole = EVERY[np.isin(EVERY.sum(axis=1), (0, 1, 6, 7))]
    seen = measured(np.concatenate([whole, stratified(PLAYERS, (3, 4), 40, 0)]))
    surrogate, asked, moves = fit(seen).with_fifths(0), [averaging("shapley", PLAYERS)], []
    centre = exact.values(hybrid(surrogate, True).predict(EVERY).reshape((2,) * PLAYERS), asked[0].sizes)
    for other, out in surrogate.without_fifths(0):
        known = ~out | np.isin(seen.masks.sum(axis=1), (0, 1, 6, 7))
        game = Hybrid(seen.masks[known], seen.log_scores[known], other.reading(True))
        moved = game.predict(EVERY)
        moved[EVERY.all(axis=1)] = 0.0
        moves.append(exact.values(moved.reshape((2,) * PLAYERS), asked[0].sizes) - centre)
    own, together = np.square(moves).mean(axis=0), np.square(moves).mean()
    half = doubt.of_sampling(surrogate, True, lambda some: some.values(asked, 0)[0], 0)
    np.testing.assert_allclose(half, 1.645 * 1.3 * np.sqrt((own + together) / 2), rtol=1e-3)


@pytest.mark.parametrize(("kind", "index"), [("shapley", "SII"), ("banzhaf", "BII"), ("faithful", "FSII")])
@pytest.mark.usefixtures("named_players_only")
def test_interactions_are_shapiqs(kind: str, index: str) -> None:
    game = hybrid(fit(measured(paired(PLAYERS, 60, 0)), log=False), log=False)
    found = game.interactions(measure(kind, PLAYERS))
    rows = lambda some: game.predict(np.atleast_2d(np.asarray(some, dtype=bool)))  # noqa: E731
    theirs = shapiq.ExactComputer(n_players=PLAYERS, game=rows)(index, order=2)
    for i, j in combinations(range(PLAYERS), 2):
        assert [found[i, j], found[j, i]] == pytest.approx([theirs[(i, j)]] * 2, abs=1e-6)
    assert not np.diagonal(found).any()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([5, 9, 16, 24]), st.integers(12, 60), st.sampled_from(sorted(WORTHS)[1:]))
def test_shapley_values_sum_to_what_was_measured(seed: int, players: int, count: int, worth: str) -> None:
    """Efficiency, to 1e-9, from any number of evaluations, below and beyond the players that can be enumerated."""
    masks = paired(players, min(count, 2**players - 2), seed)
    seen = measured(masks, seed)
    found = layer_values(seen, "shapley", worth, (), seed)
    whole, *rest = WORTHS[worth].of(seen)
    empty = np.array(rest)[~masks.any(axis=1)][0]
    assert sum(item.value for item in found.values) == pytest.approx(whole - empty, abs=1e-9)


@pytest.mark.parametrize("worth", ["score", "log_score"])
def test_where_everything_was_measured_every_number_is_that_of_enumeration(worth: str) -> None:
    seen = measured(EVERY[:-1])
    cube = exact.cube(EVERY, np.roll(WORTHS[worth].of(seen), -1))
    assert cube is not None
    for kind in KINDS:
        found = layer_values(seen, kind, worth, STRATA, 0)
        expected = exact.values(cube, averaging(kind, PLAYERS, STRATA).sizes)
        np.testing.assert_allclose([item.value for item in found.values], expected, atol=1e-12, rtol=0)
        assert found.surrogate is None
    pairs = pair_interactions(seen, "local", worth, 0)
    expected = exact.interactions(cube, sizes(measure("local", PLAYERS), PLAYERS - 2))
    np.testing.assert_allclose([pair.value for pair in pairs.pairs], [expected[p.first, p.second] for p in pairs.pairs])


@pytest.mark.parametrize("lacking", [1, 5, 30])
def test_where_nearly_everything_was_measured_intervals_of_pairs_are_as_narrow(lacking: int) -> None:
    """What was not measured can be off by what is open of it, and by no more: the rest is known."""
    right = exact.interactions(losses_of(EVERY).mean(axis=1).reshape((2,) * PLAYERS), np.full(7, 1 / 7))
    off, half = [], []
    for seed in range(6):
        rows = np.random.default_rng(seed).permutation(len(EVERY) - 1)[lacking:]
        for pair in pair_interactions(measured(EVERY[np.sort(rows)]), "shapley", "log_score", 0).pairs:
            off.append(abs(pair.value + right[pair.first, pair.second]))
            half.append((pair.high - pair.low) / 2)
    assert np.mean(np.array(off) <= half) >= 0.85
    assert np.mean(half) <= 8 * np.quantile(off, 0.9)


def test_a_run_that_measured_everything_has_exact_contributions() -> None:
    """Whichever process it reads, and stratum by stratum."""
    seen = measured(EVERY[:-1])
    cube = exact.cube(EVERY, np.roll(WORTHS["score"].of(seen), -1))
    assert cube is not None
    for log in (True, False):
        found = contributions(fit(seen, log=log), STRATA, 0)
        for stratum in (None, *STRATA):
            asked = averaging("stratified", PLAYERS, STRATA if stratum is None else [stratum])
            own = [item for item in found if item.stratum == stratum]
            np.testing.assert_allclose([item.value for item in own], exact.values(cube, asked.sizes), atol=1e-12)
            assert all(item.low == item.value == item.high for item in own)


def test_each_evaluation_takes_its_part_of_the_surrogates_error_away() -> None:
    """A surrogate that is off by as much as the game varies, and stays so: errors fall nevertheless, to nothing."""
    worths = -losses_of(EVERY).mean(axis=1)
    off = dict(zip(map(bytes, EVERY), np.random.default_rng(0).normal(0, worths.std(), len(EVERY)), strict=True))

    class Wrong:
        def predict(self, masks: Masks) -> np.ndarray:
            return -losses_of(masks).mean(axis=1) + [off[bytes(mask)] for mask in masks]

    right = exact.values(worths.reshape((2,) * PLAYERS), np.full(PLAYERS, 1 / PLAYERS))
    orders = [np.random.default_rng(seed).permutation(len(EVERY)) for seed in range(20)]

    def error(count: int) -> float:
        games = [Hybrid(EVERY[order[:count]], worths[order[:count]], cast(Reading, Wrong())) for order in orders]
        found = [game.values([averaging("shapley", PLAYERS)], 0)[0] for game in games]
        return float(np.linalg.norm(np.array(found) - right, axis=1).mean())

    errors = [error(count) for count in (16, 64, 128, 192, 256)]
    assert (np.diff(errors) < 0).all() and errors[-1] < 1e-9


def test_other_texts_move_a_mean_as_students_interval_says() -> None:
    """The jackknife of a mean is its standard error, so that the interval is the one of every textbook."""
    seen = measured(stratified(PLAYERS, STRATA, 40, 0))
    seen.losses[:] += np.random.default_rng(1).normal(0, 0.2, seen.losses.shape)
    mask = seen.masks[:1]
    found = doubt.of_calibration(fit(seen), True, lambda game: game.predict(mask))
    gaps = -(seen.losses[0] - seen.dense)
    assert found[0] == pytest.approx(2.9200 * gaps.std(ddof=1) / np.sqrt(3), rel=1e-4)  # t of two degrees of freedom
