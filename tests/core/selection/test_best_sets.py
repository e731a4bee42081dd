"""The best sets are those of enumeration; where there are too many to look at, no swap improves on what is found."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from core.coalitions.masks import Masks, removed, without
from core.coalitions.measurements import Floats
from core.selection import best_sets
from core.selection.best_sets import best_removals


def worth_of(players: int, seed: int) -> Callable[[Masks], Floats]:
    draws = np.random.default_rng(seed)
    alone, pairs = draws.normal(size=players), draws.normal(size=(players, players)) / 2

    def worth(masks: Masks) -> Floats:
        return masks @ alone + ((masks @ pairs) * masks).sum(axis=1)

    return worth


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_few_are_enumerated(monkeypatch: pytest.MonkeyPatch, every: bool, seed: int) -> None:
    if not every:
        monkeypatch.setattr(best_sets, "_ALL", 0)
    worth = worth_of(8, seed)
    found = best_removals(worth, 8, 3, 4)
    sets = sorted(combinations(range(8), 3), key=lambda some: -worth(without(8, some)[None])[0])
    assert [removed(mask) for mask in found] == sets[:4]


@pytest.mark.parametrize("every", [True, False])
def test_protected_players_stay(monkeypatch: pytest.MonkeyPatch, every: bool) -> None:
    if not every:
        monkeypatch.setattr(best_sets, "_ALL", 0)
    worth = worth_of(8, 0)
    [[first, *_]] = map(removed, best_removals(worth, 8, 3, 1))
    sets = [some for some in combinations(range(8), 3) if first not in some]
    [found] = best_removals(worth, 8, 3, 1, protected=(first,))
    assert removed(found) == max(sets, key=lambda some: worth(without(8, some)[None])[0])


def test_of_many_no_swap_is_better() -> None:
    worth = worth_of(40, 0)
    found = best_removals(worth, 40, 8, 3)
    assert len(found) == 3 and (~found).sum(axis=1).tolist() == [8, 8, 8]
    scores = worth(found)
    assert (np.diff(scores) <= 0).all()
    for out in np.flatnonzero(found[0]):
        for back in np.flatnonzero(~found[0]):
            swapped = found[0].copy()
            swapped[[out, back]] ^= True
            assert worth(swapped[None])[0] <= scores[0]


def test_last_digits_that_hang_on_company_end_it() -> None:
    """A worth whose last digits differ from call to call, as those of a matrix product do with its size."""
    worth, draws = worth_of(30, 1), np.random.default_rng(0)
    found = best_removals(lambda masks: worth(masks) + 1e-13 * draws.normal(size=len(masks)), 30, 8, 100)
    assert len({mask.tobytes() for mask in found}) == 100 and set((~found).sum(axis=1)) == {8}
    np.testing.assert_array_equal(found[0], best_removals(worth, 30, 8, 100)[0])
