"""What compensation is thought to leave, against a minimiser; sets that are proposed for it, against brute force."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.selection.finalists import Adapting, Plain, adapting, cuts_in, nearest_runs, next_finalist, proposed

SPANS = [(layer, layer + 1) for layer in range(10)]


def cuts(removal: tuple[int, ...]) -> int:
    """Runs of neighbours."""
    return sum(player - 1 not in removal for player in removal)


REMOVALS = st.sets(st.integers(0, 9), max_size=6).map(lambda gone: tuple(sorted(gone)))


@given(st.lists(st.tuples(st.floats(0.05, 3), st.integers(1, 6)), max_size=40), st.floats(0.1, 0.9), st.floats(0, 0.2))
def test_what_compensation_leaves_is_learnt(seen: list[tuple[float, int]], share: float, cut: float) -> None:
    rises, counts = [rise for rise, _ in seen], [count for _, count in seen]
    after = [share * rise + cut * count for rise, count in seen]
    found = adapting(rises, counts, after)

    def missed(parts: list[float]) -> float:
        """What the posterior is the least of: squares of the errors and of the way from what was thought before."""
        errors = parts[0] * np.array(rises) + parts[1] * np.array(counts) - np.array(after)
        away = (np.array(parts) - [0.5, 0.05]) / [0.2, 0.05]
        return float((errors**2).sum() / 0.05**2 + (away**2).sum())

    best = minimize(missed, [0.5, 0.05], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}).x
    assert [found.share, found.cut] == pytest.approx(list(best), abs=1e-4)
    if not seen:
        assert (found.share, found.cut) == (0.5, 0.05)


@given(st.integers(1, 6), st.floats(0, 0.5), st.integers(0, 9))
def test_sets_are_proposed_by_what_is_left_of_them(count: int, cut: float, seed: int) -> None:
    costs = np.random.default_rng(seed).uniform(0, 1, 9)

    def log_scores(masks: Masks) -> Floats:
        return np.asarray(-((~masks) @ costs))

    adapts = Adapting(0.5, cut)
    found = proposed(log_scores, adapts, SPANS[:9], count, [4])
    every = [one for one in combinations(range(9), count) if 4 not in one]
    expected = {one: 0.5 * sum(costs[place] for place in one) + cut * cuts(one) for one in every}
    least = sorted(expected.values())[: len(found)]
    assert [expected[one] for one in found] == pytest.approx(least) and len(found) == min(6, len(every))


@given(st.dictionaries(REMOVALS.filter(bool), st.floats(0.1, 5), min_size=1), st.sets(st.integers(0, 20)))
def test_the_next_finalist_is_the_best_expected_of_those_left(
    pool: dict[tuple[int, ...], float], done: set[int]
) -> None:
    judged = {one for place, one in enumerate(pool) if place in done}
    plain = {one: Plain(rise, cuts(one)) for one, rise in pool.items()}
    found = next_finalist(plain, judged, Adapting(0.6, 0.1))
    left = {one: 0.6 * rise + 0.1 * cuts(one) for one, rise in pool.items() if one not in judged}
    assert (found is None) == (not left)
    assert found is None or left[found] == min(left.values())
    assert next_finalist({one: Plain(np.inf, 1) for one in pool}, (), Adapting(0.6, 0.1)) is None


@given(st.lists(REMOVALS, min_size=1))
def test_cuts_in_masks_are_those_of_removals(removals: list[tuple[int, ...]]) -> None:
    masks = np.array([~np.isin(np.arange(10), one) for one in removals])
    assert cuts_in(masks, SPANS).tolist() == [cuts(one) for one in removals]
    apart = [(2 * place, 2 * place + 1) for place in range(10)]  # between each two a layer that plays for nobody
    assert cuts_in(masks, apart).tolist() == [len(one) for one in removals]


@given(st.integers(1, 5), st.sets(st.integers(0, 7), max_size=2), st.integers(0, 9))
def test_runs_that_turn_the_state_least(count: int, protected: set[int], seed: int) -> None:
    angles = np.random.default_rng(seed).uniform(0, 1, (9, 9))
    cosine = (angles + angles.T) / 2
    runs = nearest_runs(cosine, [(layer, layer + 1) for layer in range(8)], count, protected, most=9)
    every = [tuple(range(begin, begin + count)) for begin in range(9 - count)]
    assert set(runs) == {run for run in every if not protected & set(run)}
    turned = [cosine[run[0], run[-1] + 1] for run in runs]
    assert turned == sorted(turned, reverse=True)
    assert nearest_runs(cosine, [(layer, layer + 1) for layer in range(8)], count, protected) == runs[:2]


def test_players_of_several_layers_make_runs_of_layers() -> None:
    cosine = np.eye(9)
    cosine[2, 6] = 0.9
    spans = [(0, 2), (2, 4), (4, 6), (6, 8)]
    assert nearest_runs(cosine, spans, 2, (), most=1) == [(1, 2)]
    apart = [(0, 2), (3, 5), (5, 8)]  # layer 2 is of no player: the first two are no run
    assert nearest_runs(cosine, apart, 2, (), most=9) == [(1, 2)]
