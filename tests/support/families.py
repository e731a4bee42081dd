"""Small random models of many families, deep enough to have every kind of block that the family has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from benchmarks.byte_tokenizer import save_tokenizer
from tests.support.models import SMALL, randomised

DEPTH = 7
# What the architectures have in common, under the names that most of them use; None takes a name away.
_SMALL: dict[str, Any] = {**SMALL, "num_hidden_layers": DEPTH}
_NO_GROUPS: dict[str, Any] = {"num_key_value_heads": None}
_EXPERTS: dict[str, Any] = {"moe_intermediate_size": 24, "num_experts_per_tok": 2}
_GPT: dict[str, Any] = {"n_layer": DEPTH, "n_head": 4, "num_hidden_layers": None, "num_attention_heads": None}
_MAMBA: dict[str, Any] = {"mamba_d_state": 8, "mamba_d_conv": 4}
_MAMBA_HEADS: dict[str, Any] = {**_MAMBA, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_chunk_size": 8}


def _of(kind: str, **fields: Any) -> Callable[[], PreTrainedConfig]:
    def make() -> PreTrainedConfig:
        every = {**_SMALL, **fields}
        return AutoConfig.for_model(kind, **{name: value for name, value in every.items() if value is not None})

    return make


FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    "Llama": _of("llama", tie_word_embeddings=True),
    "Mistral": _of("mistral", sliding_window=4),
    "Qwen2": _of("qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=3),
    "Qwen3": _of("qwen3", head_dim=8),
    "Gemma 2": _of("gemma2", head_dim=8, sliding_window=4),
    "Gemma 3": _of("gemma3_text", head_dim=8, sliding_window=4, sliding_window_pattern=3),
    "Phi": _of("phi"),
    "Phi-3": _of("phi3"),
    "GPT-2": _of("gpt2", **_GPT, n_embd=32, n_positions=256, hidden_size=None, intermediate_size=None),
    "GPT-Neo": _of(
        "gpt_neo",
        num_layers=DEPTH,
        num_heads=4,
        attention_types=[[["global", "local"], 3], [["local"], 1]],
        window_size=4,
        num_hidden_layers=None,
    ),
    "GPT-NeoX": _of("gpt_neox"),
    "GPT-J": _of("gptj", **_GPT, n_embd=32, n_positions=256, rotary_dim=4, hidden_size=None),
    "OPT": _of("opt", ffn_dim=48, word_embed_proj_dim=32),
    "BLOOM": _of("bloom", **_GPT),
    "Falcon": _of("falcon", new_decoder_architecture=True, num_kv_heads=2),
    "StableLM": _of("stablelm"),
    "OLMo 2": _of("olmo2"),
    "OLMo 3": _of("olmo3", sliding_window=4),
    "Granite": _of("granite", residual_multiplier=0.5, embedding_multiplier=2.0),
    "Cohere 2": _of("cohere2", sliding_window=4, sliding_window_pattern=3, logit_scale=1.0),
    "SmolLM3": _of("smollm3", no_rope_layer_interval=3),
    "Mixtral": _of("mixtral", num_local_experts=4),
    "Qwen3-MoE": _of("qwen3_moe", **_EXPERTS, head_dim=8, num_experts=4, decoder_sparse_step=2, mlp_only_layers=[3]),
    "Llama 4": _of(
        "llama4_text",
        head_dim=8,
        num_local_experts=4,
        interleave_moe_layer_step=2,
        intermediate_size_mlp=48,
        attention_chunk_size=8,
        no_rope_layer_interval=3,
    ),
    "DeepSeek-V3": _of(
        "deepseek_v3",
        **_EXPERTS,
        **_NO_GROUPS,
        first_k_dense_replace=3,
        n_routed_experts=8,
        n_group=2,
        topk_group=1,
        kv_lora_rank=8,
        q_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=8,
        v_head_dim=8,
    ),
    "GPT-OSS": _of("gpt_oss", head_dim=8, num_local_experts=4, num_experts_per_tok=2, sliding_window=4),
    "Mamba": _of("mamba", state_size=8),
    "Mamba 2": _of("mamba2", state_size=8, num_heads=8, head_dim=8, n_groups=2, chunk_size=8),
    "Falcon-Mamba": _of("falcon_mamba", state_size=8),
    "RWKV": _of("rwkv", attention_hidden_size=32, context_length=256, rescale_every=2),
    "xLSTM": _of("xlstm", hidden_size=128, num_heads=4, chunk_size=8),
    "RecurrentGemma": _of("recurrent_gemma", lru_width=32, attention_window_size=8),
    "Jamba": _of("jamba", **_MAMBA, mamba_dt_rank=4, attn_layer_period=3, attn_layer_offset=1, num_experts=4),
    "Bamba": _of("bamba", **_MAMBA_HEADS, attn_layer_indices=[1, 4]),
    "Falcon-H1": _of("falcon_h1", **_MAMBA_HEADS, mamba_d_ssm=64, head_dim=8),
    "LFM2": _of("lfm2", full_attn_idxs=[1, 4, 5]),
    "Granite 4": _of(
        "granitemoehybrid",
        **_MAMBA_HEADS,
        num_local_experts=4,
        num_experts_per_tok=2,
        shared_intermediate_size=24,
        layer_types=["mamba", "mamba", "attention", "mamba", "mamba", "attention", "mamba"],
    ),
    "Nemotron-H": _of(
        "nemotron_h",
        hybrid_override_pattern="M*-EM*-",
        mamba_num_heads=8,
        mamba_head_dim=8,
        n_groups=2,
        ssm_state_size=8,
        chunk_size=8,
        head_dim=8,
        moe_intermediate_size=24,
        n_routed_experts=4,
        moe_shared_expert_intermediate_size=24,
        num_hidden_layers=None,
    ),
    "Zamba 2": _of(
        "zamba2",
        mamba_d_state=8,
        n_mamba_heads=8,
        chunk_size=8,
        num_mem_blocks=2,
        layers_block_type=["mamba", "hybrid", "mamba", "hybrid", "mamba", "hybrid", "mamba"],
        **_NO_GROUPS,
    ),
    "Gemma 3n": _of(
        "gemma3n_text",
        head_dim=8,
        sliding_window=4,
        num_kv_shared_layers=3,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=258,
        laurel_rank=4,
        layer_types=["sliding_attention", "full_attention"] * 3 + ["sliding_attention"],
    ),
    "DiffLlama": _of("diffllama"),
    "MiniMax": _of("minimax", num_local_experts=4, head_dim=8),
    "ModernBERT Decoder": _of("modernbert-decoder", **_NO_GROUPS),
}

# What is refused, and what the error says; docs/models.md is written from it (tests.support.architectures).
WITHOUT_EXPORT = {
    "DiffLlama": "lambda_init",
    "MiniMax": "num_hidden_layers",
}
REFUSED = {"Gemma 3n": "keys and values"}
# Removals that a family's configuration cannot describe, by what the error says.
INEXPRESSIBLE = {
    "Jamba": "SparseMoeBlock|MambaDecoderLayer|AttentionDecoderLayer",
    "Zamba 2": "shared_transformer",
    "ModernBERT Decoder": "attn_norm",
}


def save_family(folder: Path, family: str, seed: int = 0) -> Path:
    """A random model of a family, with weights large enough that every block matters, and its tokenizer."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(FAMILIES[family](), dtype=torch.float32)
    randomised(model)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder
