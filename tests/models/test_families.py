"""Masked evaluation of every family of docs/models.md against plain Hugging Face forwards of the blocks deleted."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks, without
from core.errors import UnsupportedModel
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.export.delete_blocks import delete_blocks
from core.model.model import LoadedModel, load
from tests.support.architectures import MENDED
from tests.support.families import DEPTH, FAMILIES, INEXPRESSIBLE, REFUSED, WITHOUT_EXPORT, save_family

# `attention_layers` is GPT-Neo's `attention_types`, written out by its configuration itself.
DEPTHS = {"num_hidden_layers", "num_layers", "n_layer", "num_blocks", "attention_layers"}
IDS = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(1))
# The first block, the last one, and some between, so that what alternated or recurred does so no more.
REMOVALS = [(0,), (6,), (0, 3, 6), (0, 1, 4), (2, 3, 5), (0, 5, 6)]
MASKS = np.stack([np.ones(DEPTH, dtype=np.bool_), *(without(DEPTH, removed) for removed in REMOVALS)])


def opened(folder: Path, family: str) -> LoadedModel:
    return load(locate(str(save_family(folder, family))), "float32", "cpu")


def losses(model: nn.Module) -> np.ndarray:
    """What transformers itself computes."""
    with torch.inference_mode():
        return np.array([model(input_ids=one[None], labels=one[None], use_cache=False).loss.item() for one in IDS])


def passed_through(loaded: LoadedModel, mask: np.ndarray) -> np.ndarray:
    """Losses of the whole model in which hooks replace what dropped blocks answer by what they were given."""

    def give_back(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        return (args[0], *output[1:]) if isinstance(output, tuple) else args[0]

    dropped = [block for block, kept in zip(loaded.blocks.modules, mask, strict=True) if not kept]
    handles = [block.register_forward_hook(give_back) for block in dropped]
    found = losses(loaded.model)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in REFUSED])
def test_losses_are_those_of_deleted_blocks(family: str, tmp_path: Path) -> None:
    loaded = opened(tmp_path, family)
    evaluator = Evaluator(loaded, IDS)
    ours = dict(evaluator.losses(MASKS))
    refused, mended = 0, set()
    for row, mask in enumerate(MASKS):
        smaller = copy.deepcopy(loaded.model)
        try:
            delete_blocks(smaller, loaded.blocks.path, mask)
            expected = losses(smaller)
            mended |= changed(loaded.model, smaller)
        except UnsupportedModel as error:
            assert re.search({**INEXPRESSIBLE, **WITHOUT_EXPORT}[family], error.message)
            refused += 1
            expected = passed_through(loaded, mask)
        np.testing.assert_allclose(ours[row], expected, rtol=1e-5)
        np.testing.assert_allclose(sequence_losses(loaded, IDS, mask), expected, rtol=1e-5)
    assert np.ptp([found.mean() for found in ours.values()]) > 0.02  # blocks matter, so that agreement means something
    assert refused < len(REMOVALS) or family in WITHOUT_EXPORT
    assert shares_prefixes(evaluator)
    assert family in WITHOUT_EXPORT or tuple(sorted(mended)) == MENDED.get(family, ())  # what docs/models.md says


def changed(model: PreTrainedModel, smaller: PreTrainedModel) -> set[str]:
    """The fields of the configuration that a deletion has changed, but for the number of layers under its names."""
    before, after = (vars(one.config) for one in (model, smaller))
    return {field for field in before if before[field] != after[field]} - DEPTHS


def shares_prefixes(evaluator: Evaluator) -> bool:
    return all(batch.sequences is not None for batch in evaluator._batches)


@pytest.mark.parametrize("family", REFUSED)
def test_what_cannot_be_taken_apart_is_refused_by_name(family: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=REFUSED[family]):
        opened(tmp_path, family)


@pytest.mark.parametrize(
    ("family", "change"), [("RWKV", {"rescale_every": 2}), ("Gemma 3n", {"num_kv_shared_layers": 0})]
)
def test_the_slower_way_is_exact_where_something_happens_between_blocks(
    family: str, change: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RWKV in float16 halves the state between blocks; Gemma 3n passes on four streams before the axis of texts."""
    config = _changed(FAMILIES[family](), change)
    monkeypatch.setitem(FAMILIES, family, lambda: config)
    loaded = opened(tmp_path, family)
    _changed(loaded.model.config, change)
    evaluator = Evaluator(loaded, IDS)
    assert not shares_prefixes(evaluator)
    masks: Masks = MASKS[[0, 2, 5]]
    for row, found in evaluator.losses(masks):
        np.testing.assert_allclose(found, passed_through(loaded, masks[row]), rtol=1e-5)


def _changed(config: Any, change: dict[str, int]) -> Any:
    for field, value in change.items():
        setattr(config, field, value)
    return config


def test_blocks_that_compute_by_their_number_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _changed(FAMILIES["GPT-2"](), {"scale_attn_by_inverse_layer_idx": True})
    monkeypatch.setitem(FAMILIES, "GPT-2", lambda: config)
    loaded = opened(tmp_path, "GPT-2")
    with pytest.raises(UnsupportedModel, match="by its own number"):
        delete_blocks(loaded.model, loaded.blocks.path, without(DEPTH, (0,)))
    delete_blocks(loaded.model, loaded.blocks.path, without(DEPTH, (6,)))
