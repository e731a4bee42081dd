"""Small random models that tests make themselves, and what is asked of them. Nothing is downloaded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from benchmarks.byte_tokenizer import save_tokenizer
from core.export.recipes.recipe import Recipe
from core.model.model import LoadedModel
from core.records.spec import RunSpec

LAYERS = 8
SMALL: dict[str, Any] = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
}

# Layers that differ (sliding and full attention), biases, learned positions: what skipping has to get right.
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**SMALL, tie_word_embeddings=True),
    "qwen2": lambda: Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=4, max_window_layers=3),
    "gemma3": lambda: Gemma3TextConfig(**SMALL, head_dim=8, sliding_window=4),
    "gpt2": lambda: GPT2Config(
        vocab_size=258, n_embd=32, n_layer=LAYERS, n_head=4, n_positions=256, bos_token_id=256, eos_token_id=257
    ),
}


def save_model(folder: Path, family: str = "llama", seed: int = 0) -> Path:
    """A random model of a family, with weights large enough that every layer matters, and its tokenizer."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(CONFIGS[family](), dtype=torch.float32)
    randomised(model).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def randomised(model: PreTrainedModel) -> PreTrainedModel:
    """The model with matrices large enough that every layer matters."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.12)
    return model


def recipe_of(loaded: LoadedModel, removed: Sequence[int]) -> Recipe:
    """The recipe of an export that no run has found."""
    info = loaded.info
    removed_names = tuple(info.players[place] for place in sorted(removed))
    return Recipe(RunSpec(model=info.source), info.fingerprint, info.layers, removed_names, "ab12cd34")
