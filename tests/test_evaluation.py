"""Our losses against plain Hugging Face forwards of models whose blocks were really deleted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core.evaluation import Evaluator, sequence_losses
from core.export import delete_blocks
from core.masks import Masks, stratified
from core.model import LoadedModel, load, locate
from tests.conftest import CONFIGS, LAYERS, save_model

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
    """Whatever the order, and whatever shares a prefix with what: the same losses to the last bit."""
    together = evaluate(tiny_loaded, MASKS)
    order = np.random.default_rng(0).permutation(len(MASKS))
    np.testing.assert_array_equal(evaluate(tiny_loaded, MASKS[order]), together[order])
    for mask, losses in zip(MASKS, together, strict=True):
        np.testing.assert_array_equal(sequence_losses(tiny_loaded, IDS, mask), losses)


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
    assert calls == len(nodes)


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
