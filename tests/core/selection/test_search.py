"""The search against all coalitions of a small model."""

from itertools import combinations

import numpy as np
import pytest
import torch

from core.baselines.contest import Contest
from core.baselines.sleb import sleb
from core.coalitions.masks import without
from core.coalitions.players import switches
from core.evaluate.meter import Meter
from core.model.model import LoadedModel
from core.model.similarity import similarity
from core.sampling.strata import stratified
from core.selection.screening import Basis, expect, runs
from core.selection.search import Search
from tests.support.models import LAYERS

BLOCKS = tuple(map(str, range(LAYERS)))
IDS = torch.randint(0, 256, (10, 12), generator=torch.Generator().manual_seed(1))


def every(count: int, protected: tuple[int, ...] = ()) -> np.ndarray:
    free = [layer for layer in range(LAYERS) if layer not in protected]
    return np.array([without(LAYERS, gone) for gone in combinations(free, count)])


def searched(
    loaded: LoadedModel, units: float, protected: tuple[int, ...] = (), stages: tuple[int, ...] = (2, 5, 8, 10)
) -> Search:
    meter = Meter(loaded, IDS, stages, divergences=True)
    search = Search(meter, 1 - similarity(loaded, IDS).cosine, 4, stages[-2:][0], protected)
    shares = list(search.run(units * meter.unit(10)))
    assert all(0 <= share <= 1 for share in shares) and shares[-1] == 1
    return search


@pytest.mark.parametrize("protected", [(), (0, 3)])
def test_a_large_budget_finds_the_best_of_all(tiny_loaded: LoadedModel, protected: tuple[int, ...]) -> None:
    """Where nobody is left behind on a few sequences, the search ends with everything tried."""
    search = searched(tiny_loaded, 1e6, protected, stages=(10,))
    meter = Meter(tiny_loaded, IDS, (10,), divergences=True)
    for count in range(1, 5):
        masks = every(count, protected)
        costs = (meter.losses(masks, 10) + meter.divergences(masks, 10)).mean(axis=1)
        found = search.best[count]
        assert found.sum() == LAYERS - count and found[list(protected)].all()
        np.testing.assert_array_equal(found, masks[costs.argmin()])


def test_a_search_keeps_to_its_budget_and_repeats_itself(tiny_loaded: LoadedModel) -> None:
    first, second = searched(tiny_loaded, 2), searched(tiny_loaded, 2)
    assert first.meter.spent <= 2.3 * first.meter.unit(10)
    for count in first.best:
        np.testing.assert_array_equal(first.best[count], second.best[count])


def test_a_search_ends_when_nothing_is_left(tiny_loaded: LoadedModel) -> None:
    """A budget that cannot be spent: every coalition is known, and the search stops by itself."""
    search = searched(tiny_loaded, 1e6)
    assert search.meter.spent < 1e6 * search.meter.unit(10)


def test_expectation_interpolates_and_knows_where_it_does_not() -> None:
    rng = np.random.default_rng(0)
    masks = stratified(LAYERS, (6, 5, 4), 60, 0)
    rises = np.expm1((~masks) @ rng.uniform(0.1, 0.5, LAYERS))
    found = expect(
        Basis(rng.uniform(0.1, 0.5, LAYERS), rng.uniform(size=(9, 9)), switches(BLOCKS, LAYERS)), masks[:50], rises[:50]
    )
    mean, deviation = found.predict(masks[50:])
    np.testing.assert_allclose(mean, np.log1p(rises[50:]), atol=0.1)
    assert found.predict(masks[:5])[1].max() < deviation.mean()


def test_runs_of_removed_layers() -> None:
    assert runs(without(8, [0, 1, 4, 7])) == [(0, 2), (4, 5), (7, 8)]
    assert runs(np.ones(8, dtype=bool)) == []


class Broken(Meter):
    """A meter that finds no number for whatever loses layers 2 and 3, and infinity without layer 0."""

    def losses(self, masks: np.ndarray, sequences: int) -> np.ndarray:
        found = super().losses(masks, sequences).copy()
        found[~masks[:, 2] & ~masks[:, 3]] = np.nan
        found[~masks[:, 0]] = np.inf
        return found


def test_losses_that_are_no_numbers_are_never_chosen(tiny_loaded: LoadedModel) -> None:
    meter = Broken(tiny_loaded, IDS, (2, 5, 10), divergences=True)
    search = Search(meter, 1 - similarity(tiny_loaded, IDS).cosine, 4, 5)
    for _ in search.run(2 * meter.unit(5)):
        pass
    assert sorted(search.best) == [1, 2, 3, 4]
    for mask in search.best.values():
        assert mask[0] and (mask[2] or mask[3])
    broken = Contest(tiny_loaded, IDS, Broken(tiny_loaded, IDS, (10,)), (1, 2, 3))
    assert not {2, 3} <= {*sleb(broken)[3]}
