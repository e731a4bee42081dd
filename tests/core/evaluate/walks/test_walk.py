"""The walk with several states at a time: the losses of plain skipping, each prefix once, within its memory."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks, layer_evaluations
from core.coalitions.players import players_of
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.evaluate.walks.sequences import Sequences
from core.evaluate.walks.together import within
from core.evaluate.walks.walk import Walk, queues
from core.model.model import LoadedModel, load
from core.sampling.strata import stratified
from tests.support.families import save_family
from tests.support.models import CONFIGS, LAYERS

IDS = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(1))
MASKS = np.concatenate(
    [np.ones((1, LAYERS), bool), stratified(LAYERS, (5, 4, 3, 2, 1), 60, 0), np.zeros((1, LAYERS), bool)]
)


def plain(loaded: LoadedModel, ids: torch.Tensor, masks: Masks) -> np.ndarray:
    return np.stack([sequence_losses(loaded, ids, mask) for mask in masks])


def in_order(found: dict[int, np.ndarray]) -> np.ndarray:
    return np.stack([found[row] for row in range(len(found))])


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    family=st.sampled_from(sorted(CONFIGS)),
    seed=st.integers(0, 2**20),
    shape=st.tuples(st.integers(1, 4), st.integers(2, 12)),
    together=st.integers(1, 9),
    players=st.sampled_from(["block", "sublayer", "group:3"]),
    budget=st.sampled_from([1, 12, 40, None]),
)
def test_any_model_masks_and_batches(
    data: st.DataObject,
    family: str,
    seed: int,
    shape: tuple[int, int],
    together: int,
    players: str,
    budget: int | None,
    drawn: Callable[[str, int], LoadedModel],
) -> None:
    """A property: random weights, texts, players, masks twice over, batches and budgets, in two calls."""
    loaded = drawn(family, seed).played_by(players_of(LAYERS, players))
    ids = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed))
    count = len(loaded.info.players)
    mask = st.lists(st.booleans(), min_size=count, max_size=count)
    masks = np.array(data.draw(st.lists(mask, min_size=1, max_size=12)))
    states = None if budget is None else budget * ids.numel() * 32 * 4
    evaluator = Evaluator(loaded, ids, together=together, states=states)
    expected = plain(loaded, ids, masks)
    for part in (slice(None), slice(0, None, 2)):
        found = dict(evaluator.losses(masks[part]))
        np.testing.assert_allclose(in_order(found), expected[part], rtol=1e-5)


@pytest.mark.parametrize("family", ["Mixtral", "Mamba", "RWKV", "Granite 4", "DeepSeek-V3", "Falcon-H1", "BLOOM"])
def test_other_families(family: str, tmp_path: Path) -> None:
    """Experts, recurrent states, an entry that only the first block has: whether they share prefixes or not."""
    loaded = load(locate(str(save_family(tmp_path / "model", family))), "float32", "cpu")
    masks = np.random.default_rng(0).random((14, loaded.info.layers)) < 0.6
    found = dict(Evaluator(loaded, IDS, together=4).losses(masks))
    np.testing.assert_allclose(in_order(found), plain(loaded, IDS, masks), rtol=1e-5)


@pytest.mark.parametrize("together", [1, 2, 8])
def test_divergences_are_those_of_one_at_a_time(tiny_loaded: LoadedModel, together: int) -> None:
    found = dict(Evaluator(tiny_loaded, IDS, together=together).with_divergences(MASKS[:20]))
    one = dict(Evaluator(tiny_loaded, IDS, states=0).with_divergences(MASKS[:20]))
    np.testing.assert_allclose(in_order(found), in_order(one), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("together", [1, 3, 8])
def test_each_prefix_is_computed_once_and_in_few_calls(tiny_loaded: LoadedModel, together: int) -> None:
    """Also across calls: a mask that was the last of one costs the next its head alone."""
    rows: list[int] = []
    handles = [
        block.mlp.register_forward_hook(lambda _, args, __: rows.append(len(args[0]) // len(IDS)))
        for block in tiny_loaded.blocks.modules
    ]
    evaluator = Evaluator(tiny_loaded, IDS, together=together)
    rows.clear()
    try:
        list(evaluator.losses(MASKS))
        states, calls = sum(rows), len(rows)
        list(evaluator.losses(MASKS[np.lexsort(MASKS.T[::-1])[-1:]]))
        assert sum(rows) == states
    finally:
        for handle in handles:
            handle.remove()
    computed = layer_evaluations(MASKS)
    if together == 1:
        assert states == calls == computed
    else:
        assert set(rows) <= {1, 2, 4, 8} and computed <= states <= 1.3 * computed
        assert calls <= computed / together + 2 * LAYERS


@pytest.mark.parametrize("together", [1, 2, 4, 16])
def test_states_alive_are_within_what_is_reckoned(tiny_loaded: LoadedModel, together: int) -> None:
    """However many coalitions there are: every coalition of eight layers, walked with weak references to each state."""
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = 0

    class Counted(Sequences):
        def block(self, index: int, states: list[torch.Tensor]) -> list[torch.Tensor]:
            nonlocal most
            made = super().block(index, states)
            for state in made:
                alive.add(state)
            most = max(most, len(alive))
            return made

    masks = np.arange(2**LAYERS)[:, None] >> np.arange(LAYERS) & 1 > 0
    kept = tiny_loaded.kept(masks)
    gc.collect()
    with torch.inference_mode():
        ends = list(_rows(Walk(Counted(tiny_loaded, IDS, 3)), kept, together))
    assert sorted(ends) == list(range(len(masks)))
    layers, state = LAYERS, 3 * 12 * 32 * 4
    room = (layers + 1 + (2 * (queues(kept) + 2) * together if together > 1 else 0)) * state
    assert within(room, "cpu", state, layers, queues(kept)) == together or together == 1
    assert most * state <= room


def _rows(walk: Walk, kept: np.ndarray, together: int) -> "list[int]":
    return [row for rows, _ in walk.finals(kept, lambda _: True, together, together) for own in rows for row in own]


def test_results_come_while_the_walk_goes_on_and_it_may_be_left(tiny_loaded: LoadedModel) -> None:
    """Before half of the blocks are computed; what is left then is right, and so is what follows."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    everything = np.arange(2**LAYERS)[:, None] >> np.arange(LAYERS) & 1 > 0
    evaluator = Evaluator(tiny_loaded, IDS, together=4)
    handles = [block.mlp.register_forward_hook(count) for block in tiny_loaded.blocks.modules]
    walk = evaluator.losses(everything)
    row, losses = next(walk)
    first = calls
    walk.close()
    for handle in handles:
        handle.remove()
    assert first < layer_evaluations(everything) / 4 / 2
    np.testing.assert_allclose(losses, sequence_losses(tiny_loaded, IDS, everything[row]), rtol=1e-5)
    np.testing.assert_allclose(in_order(dict(evaluator.losses(MASKS))), plain(tiny_loaded, IDS, MASKS), rtol=1e-5)


def test_who_is_not_wanted_is_left_out(tiny_loaded: LoadedModel) -> None:
    """Also who ceases to be wanted while the walk goes on."""
    known: set[int] = set(range(0, len(MASKS), 3))
    found: dict[int, np.ndarray] = {}
    for row, losses in Evaluator(tiny_loaded, IDS, together=4).losses(MASKS, lambda row: row not in known):
        assert row not in found
        found[row] = losses
        known.add((row + 1) % len(MASKS))
    assert not found.keys() & set(range(0, len(MASKS), 3))
    assert len(found) < len(MASKS) * 2 / 3
    for row, losses in found.items():
        np.testing.assert_allclose(losses, sequence_losses(tiny_loaded, IDS, MASKS[row]), rtol=1e-5)
