"""What passes from block to block beside the hidden state: a dropped block hands it on as it came."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.families.building import build
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.evaluate.reference import sequence_losses
from core.export.delete_blocks import delete_blocks
from core.model.model import LoadedModel, load

IDS = torch.randint(0, 256, (2, 12), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def zaya(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Each of its routers takes over a part of the state of the router before it."""
    folder = tmp_path_factory.mktemp("zaya")
    build("zaya", folder)
    return load(locate(str(folder)), "float32", "cpu")


@pytest.mark.parametrize("removed", [(1,), (1, 3), (2, 3, 5), (6,)])
def test_a_routers_state_passes_dropped_blocks_by(zaya: LoadedModel, removed: tuple[int, ...]) -> None:
    mask, smaller = without(len(zaya.blocks), removed), copy.deepcopy(zaya.model)
    delete_blocks(smaller, zaya.blocks.path, mask)
    with torch.inference_mode():
        expected = [smaller(input_ids=one[None], labels=one[None], use_cache=False).loss.item() for one in IDS]
    np.testing.assert_allclose(sequence_losses(zaya, IDS, mask), expected, rtol=1e-5)


def test_families_that_hand_on_a_hidden_state_alone_carry_nothing(tmp_path: Path) -> None:
    build("gpt2", tmp_path)
    assert load(locate(str(tmp_path)), "float32", "cpu").blocks.carried == ()
