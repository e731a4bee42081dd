"""Metered losses are the evaluator's, part by part; each is computed once, and what it cost is counted."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cache import evaluations
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import layer_evaluations
from core.evaluate.cached import Cached, cached
from core.evaluate.evaluator import Evaluator
from core.evaluate.meter import Meter
from core.evaluate.packing import PackedLinears
from core.model.model import LoadedModel
from core.records.spec import TextProtocol
from core.sampling.strata import stratified
from tests.support.models import LAYERS

IDS = torch.randint(0, 256, (10, 12), generator=torch.Generator().manual_seed(1))
MASKS = stratified(LAYERS, (6, 5, 3), 24, 0)
PROTOCOL = TextProtocol("text", "calibration", 12, 12, "none", 10, 0, "fingerprint")


def plain(loaded: LoadedModel) -> np.ndarray:
    found = dict(Evaluator(loaded, IDS).losses(MASKS))
    return np.array([found[row] for row in range(len(MASKS))])


def test_losses_are_the_evaluators_and_are_measured_once(tiny_loaded: LoadedModel) -> None:
    meter = Meter(tiny_loaded, IDS, (2, 5, 10))
    expected = plain(tiny_loaded)
    np.testing.assert_allclose(meter.losses(MASKS, 2), expected[:, :2], rtol=1e-5)
    assert meter.depth(MASKS[0]) == 2 and meter.coalitions == len(MASKS)
    np.testing.assert_allclose(meter.losses(MASKS, 10), expected, rtol=1e-5)
    spent = meter.spent
    meter.losses(MASKS[::-1], 5)
    assert meter.spent == spent and meter.coalitions == len(MASKS)


def test_shared_prefixes_are_charged_once(tiny_loaded: LoadedModel) -> None:
    """One pass over masks: a trie's layers and a head for each, and all of it again for the plain count."""
    meter = Meter(tiny_loaded, IDS, (10,))
    meter.losses(MASKS, 10)
    head = tiny_loaded.model.get_output_embeddings().weight.numel()
    block = sum(weight.numel() for weight in tiny_loaded.blocks.modules[0].parameters())
    heads = len(MASKS) * head / block
    assert meter.spent == pytest.approx((layer_evaluations(MASKS) + heads) * IDS.numel())
    assert meter.plain == pytest.approx((MASKS.sum() + heads) * IDS.numel())


def test_the_unit_is_slebs_path(tiny_loaded: LoadedModel) -> None:
    """By hand, for eight layers: six may go, then five, then four; each is tried on all sequences."""
    meter = Meter(tiny_loaded, IDS, (10,))
    tries = [(6, LAYERS - 1), (5, LAYERS - 2), (4, LAYERS - 3)]
    expected = sum(count * meter.cost(np.arange(LAYERS) < kept, 10) for count, kept in tries)
    assert meter.unit(10) == pytest.approx(expected)


def test_divergences_come_with_the_losses(tiny_loaded: LoadedModel) -> None:
    meter = Meter(tiny_loaded, IDS, (2, 10), divergences=True)
    np.testing.assert_allclose(meter.losses(MASKS, 10), plain(tiny_loaded), rtol=1e-5)
    spent = meter.spent
    found = meter.divergences(np.concatenate([MASKS[:2], meter.whole[None]]), 2)
    assert (found[:2] > 0).all() and np.abs(found[2]).max() < 1e-6
    assert spent < meter.spent <= spent + meter.cost(meter.whole, 2)  # only the whole model was new


def test_a_store_remembers_across_meters(
    tiny_loaded: LoadedModel, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and divergences of a part, also when the walk over it was broken off."""
    store = Store(Database(cache_file))

    def part() -> Cached:
        packed = PackedLinears(tiny_loaded.model)
        return cached(store, PROTOCOL, tiny_loaded, IDS[:2], packed, states=2**20)

    monkeypatch.setattr("core.evaluate.cached._PARTS", 0)
    walk = part().losses(MASKS)
    for _ in range(5):
        next(walk)
    walk.close()
    second = part()
    assert evaluations.count_evaluations(Database(cache_file)) == 5
    found = dict(second.losses(MASKS))
    np.testing.assert_allclose([found[row] for row in range(len(MASKS))], plain(tiny_loaded)[:, :2], rtol=1e-5)
    divergences = dict(second.with_divergences(MASKS[:3]))
    again = dict(part().with_divergences(MASKS[:3]))
    np.testing.assert_array_equal([divergences[row] for row in range(3)], [again[row] for row in range(3)])
