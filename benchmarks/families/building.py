"""A small random model of any kind: its default configuration, with every size in it made small."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from benchmarks.byte_tokenizer import BOS, EOS, VOCABULARY, save_tokenizer

DEPTH = 7
LARGEST = 6_000_000  # parameters
# What sizes are called, by what they become.
_NAMES: list[tuple[int, str]] = [
    (VOCABULARY, "vocab_size vocab_size_per_layer_input audio_vocab_size"),
    (BOS, "bos_token_id"),
    (EOS, "eos_token_id pad_token_id"),
    (256, "max_position_embeddings n_positions n_ctx max_seq_len"),
    (48, "intermediate_size encoder_ffn_dim decoder_ffn_dim ffn_dim ffn_hidden_size n_inner dim_ff"),
    (32, "hidden_size n_embd d_model embedding_size word_embed_proj_dim lru_width dim emb_dim"),
    (
        24,
        "moe_intermediate_size shared_intermediate_size shared_expert_intermediate_size expert_ffn_hidden_size "
        "moe_shared_expert_intermediate_size",
    ),
    (DEPTH, "num_hidden_layers n_layer n_layers num_layers decoder_layers"),
    (
        8,
        "head_dim global_head_dim n_routed_experts kv_lora_rank q_lora_rank qk_nope_head_dim v_head_dim q_head_dim "
        "mamba_d_state mamba_n_heads mamba_d_head mamba_chunk_size linear_key_head_dim linear_value_head_dim "
        "index_head_dim hidden_size_per_layer_input dim_head attention_chunk_size",
    ),
    (
        4,
        "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
        "num_local_experts num_experts qk_rope_head_dim sliding_window linear_num_value_heads index_topk laurel_rank "
        "rotary_dim",
    ),
    (
        2,
        "num_key_value_heads encoder_layers num_experts_per_tok first_k_dense_replace n_group mamba_expand "
        "linear_num_key_heads index_n_heads moe_topk",
    ),
    (1, "n_shared_experts topk_group mamba_n_groups"),
    (0, "num_kv_shared_layers num_hash_layers num_nextn_predict_layers zero_expert_num"),
]
_SIZES = {name: size for size, names in _NAMES for name in names.split()}
_COMMON = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"),
)
# What single kinds need beside; "__drop__" takes a field away.
_OWN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "fields.json").read_text(encoding="utf-8"))


def build(kind: str, folder: Path) -> str:
    """Saves a small model of a kind with a tokenizer; the name of its class, or ValueError where none can be built."""
    reasons = []
    for fields in _attempts(kind):
        torch.manual_seed(0)
        try:
            config = AutoConfig.for_model(kind, **copy.deepcopy(fields))
            maker: Any = AutoModelForCausalLM.from_config
            with torch.device("meta"):
                size = sum(weight.numel() for weight in maker(config).parameters())
            if size > LARGEST:
                raise ValueError(f"it has {size:,} parameters at the smallest sizes that were tried")
            model = maker(config, dtype=torch.float32)
        except Exception as cause:  # each kind checks its configuration in its own way
            reasons.append(f"{type(cause).__name__}: {str(cause).strip()[:160]}")
            continue
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.normal_(0, 0.12)
        model.save_pretrained(folder)
        save_tokenizer(folder)
        return type(model).__name__
    raise ValueError(reasons[0])


def _attempts(kind: str) -> list[dict[str, Any]]:
    """Fields to try, one set after the other."""
    try:
        default = CONFIG_MAPPING[kind]().to_dict()
    except Exception:  # some kinds have no default configuration
        default = {}
    small, own = _small(default), _OWN.get(kind, {})
    without = [(), ("head_dim", "global_head_dim"), ("num_key_value_heads",)]
    found = [_over({name: size for name, size in small.items() if name not in left}, own) for left in without]
    found.append({**{name: _SIZES[name] for name in _COMMON}, **own})
    return [{name: value for name, value in fields.items() if value != "__drop__"} for fields in found]


def _over(small: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What a kind needs beside, put over its small fields, inside of configurations in it too."""
    inner = {name for name in own if isinstance(small.get(name), dict) and "model_type" in small[name]}
    return {**small, **own, **{name: _over(small[name], own[name]) for name in inner}}


def _small(fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _SIZES and not isinstance(value, list | dict):
            found[name] = _SIZES[name]
        elif isinstance(value, dict) and "model_type" in value:
            found[name] = {"model_type": value["model_type"], **_small(value)}
    return found
