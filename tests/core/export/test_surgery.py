"""The fields that say something of single layers, and the numbers of blocks, after a deletion."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from core.coalitions.masks import without
from core.export.config_fields import mend
from core.export.delete_blocks import delete_blocks
from core.export.quantised_names import renumber
from core.model.blocks import find_blocks
from core.model.skipping import skipping
from tests.support.families import DEPTH, FAMILIES
from tests.support.models import SMALL, randomised

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


LETTERS = "M*-EM*-"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"hybrid_override_pattern": LETTERS}, {"hybrid_override_pattern": "*-M*"}),
        ({"index_topk_pattern": list(LETTERS)}, {"index_topk_pattern": list("*-M*")}),
        ({"moe_layers_enum": "0,1,3,5"}, {"moe_layers_enum": "0,3"}),
        ({"cross_attention_layers": [1, 3, 4]}, {"cross_attention_layers": [0, 2]}),
        ({"attn_layer_indices": [5, 1, 3]}, {"attn_layer_indices": [3, 0]}),
        ({"mlp_only_layers": [0, 5, 99]}, {"mlp_only_layers": [3]}),
        ({"moe_layer_freq": [0, 1, 1, 0, 1, 0, 1]}, {"moe_layer_freq": [1, 1, 1, 0]}),
        ({"no_rope_layers": [1, 0, 0, 1, 1, 0, 1]}, {"no_rope_layers": [0, 0, 1, 0]}),
        ({"window_by_layer": {1: 4, 3: 8, 5: 2}}, {"window_by_layer": {0: 4, 3: 2}}),
        ({"window_by_layer": {"01": 4, "3": 8, "5": 2}}, {"window_by_layer": {"0": 4, "3": 2}}),
        ({"experts_by_layer": [[number] for number in range(7)]}, {"experts_by_layer": [[1], [2], [4], [5]]}),
        ({"shared_layers": [[0, 1], [2, 5]]}, {"shared_layers": [[0], [1, 3]]}),
        ({"num_nextn_predict_layers": 2, "thetas": [*range(9)]}, {"thetas": [1, 2, 4, 5, 7, 8]}),
        (
            {"linear_attn_config": {"full_attn_layers": [3, 6], "kda_layers": [1, 2, 4, 5, 7], "num_heads": 7}},
            {"linear_attn_config": {"full_attn_layers": [2, 4], "kda_layers": [1, 3], "num_heads": 7}},
        ),
        (
            {"sparse_attention_config": {"sparse_attention_freq": [0, 1, 0, 1, 1, 0, 1], "sparse_index_dim": 7}},
            {"sparse_attention_config": {"sparse_attention_freq": [1, 0, 1, 0], "sparse_index_dim": 7}},
        ),
        ({"decoder_layers": 7, "encoder_layers": 7}, {"decoder_layers": 4, "encoder_layers": 7}),
    ],
)
def test_settings_of_single_layers_follow_in_any_form(before: dict[str, Any], after: dict[str, Any]) -> None:
    config = AutoConfig.for_model("llama", num_hidden_layers=DEPTH)
    for field, value in before.items():
        setattr(config, field, value)
    mend(config, MASK)
    assert {field: getattr(config, field) for field in after} == after


@pytest.mark.parametrize("field", ["id2label", "rope_parameters", "mtp_local_layer_ids", "hidden_act", "feature_layer"])
def test_what_follows_no_layers_stays(field: str) -> None:
    values: dict[str, Any] = {
        "id2label": {0: "yes", 1: "no"},
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "long_factor": [1.0] * DEPTH},
        "mtp_local_layer_ids": [0, 1],
        "hidden_act": "swiglu7",
        "feature_layer": -2,
    }
    config = AutoConfig.for_model("llama", num_hidden_layers=DEPTH)
    setattr(config, field, copy.deepcopy(values[field]))
    mend(config, MASK)
    assert getattr(config, field) == values[field]


IRREGULAR: dict[str, tuple[str, dict[str, Any]]] = {
    "overrides by number": (
        "gemma4_text",
        {"head_dim": 8, "global_head_dim": 16, "hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0},
    ),
    "an interval in a range": (
        "ernie4_5_moe",
        {"moe_num_experts": 4, "moe_k": 2, "moe_layer_interval": 2, "moe_layer_start_index": 2, "head_dim": 8},
    ),
    "heads of each layer": (
        "laguna",
        {"num_attention_heads_per_layer": [4, 8, 4, 4, 8, 4, 2], "head_dim": 8, "moe_intermediate_size": 24}
        | {"num_experts": 4, "num_experts_per_tok": 2, "shared_expert_intermediate_size": 24, "sliding_window": 4},
    ),
    "decoder_layers": ("bart", {"encoder_layers": 7, "decoder_layers": 7, "d_model": 32, "decoder_ffn_dim": 48}),
    "a base of positions for each layer": (
        "granite_swa",
        {"layer_rope_theta": [1e4, 500.0, 1e4, 2e4, 1e4, 100.0, 1e4], "sliding_window": 4},
    ),
}


@pytest.mark.parametrize("name", IRREGULAR)
def test_the_configuration_that_is_saved_gives_the_model_that_is_left(name: str) -> None:
    kind, fields = IRREGULAR[name]
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SMALL, "num_hidden_layers": DEPTH, **fields})
    model = randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).eval()
    ids, blocks = torch.arange(12)[None], find_blocks(model)
    mask = without(DEPTH, (0, 2, 4))
    with torch.inference_mode(), skipping(blocks, mask):
        expected = model(input_ids=ids, use_cache=False).logits
    delete_blocks(model, blocks.path, mask)
    again = type(model)(type(config).from_dict(json.loads(json.dumps(model.config.to_diff_dict())))).eval()
    again.load_state_dict(model.state_dict())
    with torch.inference_mode():
        assert torch.equal(again(input_ids=ids, use_cache=False).logits, expected)


def test_settings_of_a_quantisation_name_the_blocks_that_are_left() -> None:
    numbers = {1: 0, 2: 1, 4: 2, 5: 3}
    settings = {
        "bits": 4,
        "modules_to_not_convert": ["lm_head", "model.layers.0.mlp", "model.layers.4.mlp", "model.layers.45.mlp"],
        "ignore": ["re:.*layers.5.mlp.gate$", "model.embed_layers"],
        "dynamic": {r"-:model\.layers\.3\..*": {}, r"+:model\.layers\.2\..*": {"bits": 8}},
    }
    assert renumber(settings, "model.layers", numbers) == {
        "bits": 4,
        "modules_to_not_convert": ["lm_head", "model.layers.2.mlp"],
        "ignore": ["re:.*layers.3.mlp.gate$", "model.embed_layers"],
        "dynamic": {r"+:model\.layers\.1\..*": {"bits": 8}},
    }
