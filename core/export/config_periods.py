"""Patterns of layers that a configuration states by a period: after a deletion they are lists, or other periods."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_START, _END, _STEP = "moe_layer_start_index", "moe_layer_end_index", "moe_layer_interval"


def write_out(config: Any, layers: int) -> None:
    """Patterns that repeat, as lists of all layers where there is a field for one; those lose items like any list."""
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


def periodic(config: Any, layers: int) -> dict[str, NDArray[np.bool_]]:
    """Which layers each pair of fields X_period, X_offset chooses (Jamba's attention and experts), by X."""
    pairs = {field.removesuffix("_period") for field in vars(config) if field.endswith("_period")}
    return {
        field: np.arange(layers) % getattr(config, f"{field}_period") == getattr(config, f"{field}_offset")
        for field in pairs
        if hasattr(config, f"{field}_offset")
    }


def find_period(config: Any, field: str, flags: NDArray[np.bool_]) -> None:
    """The shortest period that chooses `flags` (layers,), if one does; one beyond the model chooses a single layer."""
    numbers = np.arange(len(flags))
    for period in range(1, len(flags) + 2):
        for offset in range(period):
            if np.array_equal(numbers % period == offset, flags):
                setattr(config, f"{field}_period", period)
                setattr(config, f"{field}_offset", offset)
                return


def ranged(config: Any, layers: int) -> NDArray[np.bool_] | None:
    """Which layers have experts by a first layer, a last one and an interval (Ernie 4.5), where those are fields."""
    start, end, step = (getattr(config, field, None) for field in (_START, _END, _STEP))
    if type(start) is not int or type(end) is not int or type(step) is not int or not step:
        return None
    numbers = np.arange(layers)
    flags: NDArray[np.bool_] = (numbers >= start) & (numbers <= end) & ((numbers + 1) % step == 0)
    return flags


def find_range(config: Any, flags: NDArray[np.bool_]) -> None:
    """The first layer, the last one and the interval that choose `flags` (layers,), if any do."""
    numbers = np.flatnonzero(flags)
    # None at all: an end of -1 would mean the last layer.
    start, end = (int(numbers[0]), int(numbers[-1])) if len(numbers) else (len(flags), len(flags) - 1)
    every = np.arange(len(flags))
    for step in range(1, len(flags) + 1):
        if np.array_equal((every >= start) & (every <= end) & ((every + 1) % step == 0), flags):
            for field, value in ((_START, start), (_END, end), (_STEP, step)):
                setattr(config, field, value)
            return
