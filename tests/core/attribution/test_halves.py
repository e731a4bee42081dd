"""How many coalitions settle a ranking, held against runs of as many in a game played at will.

The game: what layers cost adds up, and every coalition has a surprise of its own, by its name. What is left of
surprises in a mean falls as their number.
"""

import numpy as np
import pytest
from scipy.stats import spearmanr

from core.attribution.halves import Settling, settling
from core.attribution.hybrid import averaging, hybrid
from core.coalitions.masks import encode
from core.coalitions.measurements import Floats, Measurements
from core.records.fits import Learnt
from core.sampling.strata import stratified
from core.surrogate.surrogate import fit

PLAYERS, STRATA = 20, (17, 15, 12)
COST = np.random.default_rng(7).permutation(np.linspace(0.01, 0.06, PLAYERS))


def run(coalitions: int, seed: int, surprise: float) -> Measurements:
    """A run of so many coalitions of the game."""
    masks = stratified(PLAYERS, STRATA, coalitions, seed)
    own = np.array([np.random.default_rng(int(encode(mask), 2)).normal() for mask in masks])
    losses = 3.0 + (~masks) @ COST + surprise * own
    return Measurements(masks, losses[:, None] + np.zeros(2), np.array([3.0, 3.0]))


def contributions(measured: Measurements, learnt: Learnt) -> Floats:
    kind = averaging("stratified", PLAYERS, STRATA)
    return np.asarray(hybrid(fit(measured, learnt=learnt), log=False).values([kind], 0, 2000)[0])


@pytest.mark.parametrize("surprise", [0.02, 0.04])
def test_runs_of_as_many_coalitions_rank_alike(surprise: float) -> None:
    """A run of 120 tells how alike two others of 120 are, and how many settle them: so many do, a quarter does not."""
    learnt = fit(run(120, 1000, surprise)).learnt
    said = [found for seed in range(5) if (found := settling(run(120, seed, surprise), STRATA, seed, learnt))]
    assert len(said) == 5 and all(one.half == 60 for one in said)
    enough = round(float(np.median([one.coalitions for one in said])))

    def alike(coalitions: int) -> float:
        values = [contributions(run(coalitions, seed, surprise), learnt) for seed in range(100, 108)]
        return float(np.mean([spearmanr(*pair).statistic for pair in zip(values[::2], values[1::2], strict=True)]))

    assert alike(120) == pytest.approx(float(np.median([one.expected(120) for one in said])), abs=0.1)
    assert alike(enough) > 0.93
    assert alike(enough // 4) < 0.92


def test_a_ranking_without_surprises_is_settled_at_once() -> None:
    measured = run(60, 0, 0.0)
    found = settling(measured, STRATA, 0, fit(measured).learnt)
    assert found is not None and found.spearman > 0.99 and found.coalitions < 60


def test_nothing_is_told_by_too_few_coalitions() -> None:
    assert settling(run(19, 0, 0.02), STRATA, 0, None) is None
    assert settling(run(20, 0, 0.02), STRATA, 0, None) is not None


def test_the_law() -> None:
    found = Settling(half=100, spearman=0.5, lack=100.0)
    assert found.coalitions == 1900
    assert found.expected(100) == 0.5 and found.expected(1900) == pytest.approx(0.95)
