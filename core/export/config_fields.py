"""The fields of a configuration that say something of each layer, mended for a model that lost some.

Most are found by their form: lists as long as the model is deep, lists of numbers of layers. A short table names the
numbers whose meaning cannot be seen. Patterns that no longer repeat are written out as lists where the architecture
has a list for them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Lists that may happen to be as long as the model is deep, and say nothing of its layers.
_NOT_PER_LAYER = {
    *("architectures", "bos_token_id", "eos_token_id", "pad_token_id"),
    *("mlp_multipliers", "ssm_multipliers", "time_step_limit", "mtp_layers_block_type"),
}
# Numbers of layers with something in common, counted from the first and from the last layer.
_FIRST = {"first_k_dense_replace", "num_dense_layers", "max_window_layers", "moe_layer_start_index"}
_LAST = {"num_kv_shared_layers"}
# Endings of lists of numbers of layers, such as attn_layer_indices, full_attn_idxs, mlp_only_layers, local_layer_ids.
# `no_rope_layers` is none of them: a flag for each layer.
_NUMBERS = ("_indices", "_idxs", "_layers", "_layer_ids")


def mend(config: Any, mask: NDArray[np.bool_]) -> None:
    """Lets a configuration describe the layers that `mask` (layers,) keeps, as far as it can; changed in place."""
    layers, kept = len(mask), [int(number) for number in np.flatnonzero(mask)]
    numbers = {old: new for new, old in enumerate(kept)}
    periods = _periods(config, layers)
    _write_out(config, layers)
    for field, value in list(vars(config).items()):
        if field in _FIRST and value is not None:
            setattr(config, field, sum(number < value for number in kept))
        elif field in _LAST and value is not None:
            setattr(config, field, sum(number >= layers - value for number in kept))
        elif _numbers_layers(field, value, layers):
            setattr(config, field, [numbers[number] for number in value if number in numbers])
        elif isinstance(value, list | tuple) and len(value) == layers and field not in _NOT_PER_LAYER:
            setattr(config, field, [item for item, keep in zip(value, mask, strict=True) if keep])
    config.num_hidden_layers = len(kept)
    if hasattr(config, "num_blocks"):  # xLSTM counts its blocks twice
        config.num_blocks = len(kept)
    for field, flags in periods.items():
        _find_period(config, field, flags[mask])


def _numbers_layers(field: str, value: Any, layers: int) -> bool:
    """Whether a field lists numbers of layers, in order; a flag for each layer, 0 or 1, is no such list."""
    return (
        field.endswith(_NUMBERS)
        and field != "no_rope_layers"
        and isinstance(value, list | tuple)
        and all(type(number) is int and 0 <= number < layers for number in value)
        and list(value) == sorted(set(value))
    )


def _write_out(config: Any, layers: int) -> None:
    """Patterns that repeat, as lists of all layers, which lose their items like any other."""
    if hasattr(config, "block_types"):  # RecurrentGemma: repeated to the depth of the model
        config.block_types = [config.block_types[number % len(config.block_types)] for number in range(layers)]
    if hasattr(config, "attention_types"):  # GPT-Neo: [[types, times], …]
        config.attention_types = [[[kind], 1] for kind in config.attention_layers]
    step = getattr(config, "decoder_sparse_step", None)
    if step:  # Qwen MoE: experts in every step-th layer that mlp_only_layers does not name
        config.mlp_only_layers = [
            number for number in range(layers) if number in (config.mlp_only_layers or []) or (number + 1) % step
        ]
        config.decoder_sparse_step = 1


def _periods(config: Any, layers: int) -> dict[str, NDArray[np.bool_]]:
    """Which layers each pair of fields X_period, X_offset chooses (Jamba's attention and experts), by X."""
    pairs = {field.removesuffix("_period") for field in vars(config) if field.endswith("_period")}
    return {
        field: np.arange(layers) % getattr(config, f"{field}_period") == getattr(config, f"{field}_offset")
        for field in pairs
        if hasattr(config, f"{field}_offset")
    }


def _find_period(config: Any, field: str, flags: NDArray[np.bool_]) -> None:
    """The shortest period that chooses `flags` (layers,), if one does; one beyond the model chooses a single layer."""
    numbers = np.arange(len(flags))
    for period in range(1, len(flags) + 2):
        for offset in range(period):
            if np.array_equal(numbers % period == offset, flags):
                setattr(config, f"{field}_period", period)
                setattr(config, f"{field}_offset", offset)
                return
