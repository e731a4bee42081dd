"""The fields that say something of single layers, and the numbers of blocks, after a deletion."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core.coalitions.masks import without
from core.export.config_fields import mend
from core.export.delete_blocks import delete_blocks
from core.model.blocks import find_blocks
from tests.support.families import DEPTH, FAMILIES

MASK = without(DEPTH, (0, 3, 6))  # 1, 2, 4 and 5 are left


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("Qwen2", {"max_window_layers": 2, "layer_types": ["full_attention"] * 2 + ["sliding_attention"] * 2}),
        ("Qwen3-MoE", {"decoder_sparse_step": 1, "mlp_only_layers": [1, 2]}),  # 2 and 4 of 0, 2, 3, 4, 6
        ("DeepSeek-V3", {"first_k_dense_replace": 2}),
        ("Llama 4", {"moe_layers": [0, 3], "no_rope_layers": [1, 0, 1, 0]}),
        ("SmolLM3", {"no_rope_layers": [1, 0, 1, 0]}),
        ("GPT-Neo", {"attention_types": [[["local"], 1], [["global"], 1], [["global"], 1], [["local"], 1]]}),
        ("RecurrentGemma", {"block_types": ["recurrent", "attention", "recurrent", "attention"]}),
        ("Bamba", {"attn_layer_indices": [0, 2]}),
        ("xLSTM", {"num_blocks": 4, "num_hidden_layers": 4}),
    ],
)
def test_fields_of_single_layers_follow(family: str, fields: dict[str, Any]) -> None:
    config = FAMILIES[family]()
    mend(config, MASK)
    assert {field: getattr(config, field) for field in fields} == fields
    assert config.num_hidden_layers == 4


@pytest.mark.parametrize(("family", "kept", "period"), [("Jamba", (1, 2, 3, 4), 3), ("Jamba", (1, 2, 4, 5), 2)])
def test_the_shortest_period_that_fits_is_found(family: str, kept: tuple[int, ...], period: int) -> None:
    config = FAMILIES[family]()
    whole = np.array(config.layers_block_type)
    mend(config, np.isin(np.arange(DEPTH), kept))
    assert config.layers_block_type == list(whole[list(kept)])
    assert config.attn_layer_period == period


@pytest.mark.parametrize(("family", "name"), [("Llama", "layer_idx"), ("RWKV", "layer_id"), ("Bamba", "layer_idx")])
def test_blocks_are_numbered_anew_under_whatever_name(family: str, name: str) -> None:
    model = AutoModelForCausalLM.from_config(FAMILIES[family](), dtype=torch.float32).eval()
    blocks = find_blocks(model)
    delete_blocks(model, blocks.path, without(DEPTH, (0, 2, 6)))
    for number, block in enumerate(model.get_submodule(blocks.path).children()):
        found = {vars(module)[name] for module in block.modules() if name in vars(module)}
        assert found == {number}


def test_lists_that_only_look_like_layers_stay() -> None:
    config = FAMILIES["Llama"]()
    config.eos_token_id = list(range(DEPTH))
    mend(config, MASK)
    assert config.eos_token_id == list(range(DEPTH))
