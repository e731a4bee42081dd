"""Our losses against plain Hugging Face forwards of models whose blocks were really deleted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks, layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.export.delete_blocks import delete_blocks
from core.model.model import LoadedModel, load
from core.model.skipping import skipping
from core.sampling.strata import stratified
from tests.support.models import CONFIGS, LAYERS, save_model

IDS = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(1))
MASKS = np.concatenate(
    [np.ones((1, LAYERS), bool), stratified(LAYERS, (5, 4, 3, 2, 1), 40, 0), np.zeros((1, LAYERS), bool)]
)


def evaluate(loaded: LoadedModel, masks: Masks) -> np.ndarray:
    found = dict(Evaluator(loaded, IDS).losses(masks))
    return np.stack([found[row] for row in range(len(masks))])


def deleted_losses(folder: Path, mask: np.ndarray) -> np.ndarray:
    """The loss that transformers itself computes for a model whose ModuleList lost the blocks."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    path = "transformer.h" if hasattr(model, "transformer") else "model.layers"
    delete_blocks(model, path, mask)
    with torch.inference_mode():
        return np.array([model(input_ids=one[None], labels=one[None], use_cache=False).loss.item() for one in IDS])


@pytest.mark.parametrize("family", CONFIGS)
def test_losses_are_those_of_deleted_blocks(family: str, tmp_path: Path) -> None:
    folder = save_model(tmp_path / family, family)
    loaded = load(locate(str(folder)), "float32", "cpu")
    assert len(loaded.blocks) == LAYERS
    ours = evaluate(loaded, MASKS)
    for mask, losses in zip(MASKS[::5], ours[::5], strict=True):
        np.testing.assert_allclose(losses, deleted_losses(folder, mask), rtol=1e-5)
    assert np.ptp(ours.mean(axis=1)) > 0.1  # the layers matter, so that agreement means something


def test_shared_prefixes_change_nothing(tiny_loaded: LoadedModel) -> None:
    """Whatever the order, what shares a prefix with what, and who asks: the same losses to the last bit."""
    together = evaluate(tiny_loaded, MASKS)
    order = np.random.default_rng(0).permutation(len(MASKS))
    np.testing.assert_array_equal(evaluate(tiny_loaded, MASKS[order]), together[order])
    evaluator, growing = Evaluator(tiny_loaded, IDS), Evaluator(tiny_loaded, IDS, growing=True)
    for row in order:  # one call each: what is left of the last mask is used
        [(_, alone)] = evaluator.losses(MASKS[row][None])
        np.testing.assert_array_equal(alone, together[row])
        parts = list(growing.stream(MASKS[row]))
        assert [len(part) for part in parts] == [1, 2]
        np.testing.assert_array_equal(np.concatenate(parts), together[row])
        np.testing.assert_allclose(sequence_losses(tiny_loaded, IDS, MASKS[row]), together[row], rtol=1e-5)


@pytest.mark.parametrize("states", [0, 2**30])
def test_divergences_are_those_of_the_definition(tiny_loaded: LoadedModel, states: int) -> None:
    """sum p log(p / q) over the vocabulary in float64, from plain forwards."""
    evaluator = Evaluator(tiny_loaded, IDS, states=states, growing=True)
    with torch.inference_mode():
        whole = tiny_loaded.model(input_ids=IDS).logits.double().log_softmax(-1)[:, :-1]
        for mask in MASKS[[0, 5, 20]]:
            with skipping(tiny_loaded.blocks, mask):
                ours = tiny_loaded.model(input_ids=IDS).logits.double().log_softmax(-1)[:, :-1]
            expected = (whole.exp() * (whole - ours)).sum(-1).mean(-1).numpy()
            [(_, (losses, found))] = evaluator.with_divergences(mask[None])
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(losses, sequence_losses(tiny_loaded, IDS, mask), rtol=1e-5)
            losses = np.concatenate(list(evaluator.stream(mask)))
            np.testing.assert_allclose(losses, sequence_losses(tiny_loaded, IDS, mask), rtol=1e-5)


def test_an_interrupted_stream_leaves_nothing_wrong(tiny_loaded: LoadedModel) -> None:
    together = evaluate(tiny_loaded, MASKS)
    evaluator = Evaluator(tiny_loaded, IDS, growing=True)
    for row in (3, 17, 4, 30):
        next(evaluator.stream(MASKS[row]))
        np.testing.assert_array_equal(np.concatenate(list(evaluator.stream(MASKS[row + 1]))), together[row + 1])


@pytest.mark.parametrize("sequences", [0, 1, 2])
def test_states_stay_in_their_budget(tiny_loaded: LoadedModel, sequences: int) -> None:
    """Sequences beyond the budget are measured all the same, without states; the number of masks changes nothing."""
    a_sequence = (LAYERS + 1) * IDS.shape[1] * 32 * 4
    evaluator = Evaluator(tiny_loaded, IDS, states=sequences * a_sequence, growing=True)
    found = dict(evaluator.losses(MASKS))
    together = evaluate(tiny_loaded, MASKS)
    np.testing.assert_allclose(np.stack([found[row] for row in range(len(MASKS))]), together, rtol=1e-5)
    held = {state.data_ptr(): state.nbytes for batch in evaluator._batches for state in batch.held()}
    assert sum(held.values()) <= sequences * a_sequence
    assert bool(held) == (sequences > 0)


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    family=st.sampled_from(sorted(CONFIGS)),
    seed=st.integers(0, 2**20),
    shape=st.tuples(st.integers(1, 5), st.integers(2, 20)),
)
def test_any_model_and_any_masks(
    data: st.DataObject, family: str, seed: int, shape: tuple[int, int], drawn: Callable[[str, int], LoadedModel]
) -> None:
    """A property: random weights, texts and masks, against the model's own forward with the blocks skipped."""
    loaded = drawn(family, seed)
    ids = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed))
    masks = np.array(data.draw(st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=1, max_size=6)))
    for row, losses in Evaluator(loaded, ids).losses(masks):
        np.testing.assert_allclose(losses, sequence_losses(loaded, ids, masks[row]), rtol=1e-5)


def test_each_prefix_is_computed_once(tiny_loaded: LoadedModel) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    evaluator = Evaluator(tiny_loaded, IDS)
    handles = [block.mlp.register_forward_hook(count) for block in tiny_loaded.blocks.modules]
    list(evaluator.losses(MASKS))
    for handle in handles:
        handle.remove()
    nodes = {mask[: depth + 1].tobytes() for mask in MASKS for depth in range(LAYERS) if mask[depth]}
    assert calls == len(nodes) == layer_evaluations(MASKS)


def test_model_is_left_as_found(tiny_loaded: LoadedModel) -> None:
    def picture() -> list[object]:
        weights = [(name, weight.sum().item()) for name, weight in tiny_loaded.model.named_parameters()]
        own = [
            (sorted(vars(module)), len(module._forward_hooks), len(module._forward_pre_hooks))
            for module in tiny_loaded.model.modules()
        ]
        return [*weights, *own]

    before = picture()
    events = Evaluator(tiny_loaded, IDS).losses(MASKS)
    next(events)
    events.close()
    with pytest.raises(IndexError):
        sequence_losses(tiny_loaded, IDS + 10_000, MASKS[3])
    assert picture() == before


def test_a_loss_that_is_no_number_stays_with_its_mask(tmp_path: Path) -> None:
    """A block that gives NaN spoils exactly the masks that keep it; the others are as they were."""
    folder = save_model(tmp_path / "tiny")
    loaded = load(locate(str(folder)), "float32", "cpu")
    clean = evaluate(loaded, MASKS)
    with torch.no_grad():
        loaded.blocks.modules[2].mlp.down_proj.weight.fill_(float("nan"))
    spoilt = evaluate(loaded, MASKS)
    assert (np.isnan(spoilt).all(axis=1) == MASKS[:, 2]).all()
    np.testing.assert_array_equal(spoilt[~MASKS[:, 2]], clean[~MASKS[:, 2]])
