"""The fields of a configuration that say something of each layer, mended for a model that lost some.

Most are found by their form: lists as long as the model is deep, a letter for each layer, whatever is said under a
layer's number, lists of numbers of layers. A short table names the numbers whose meaning cannot be seen. Patterns that
no longer repeat are written out as lists where the architecture has a list for them.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.export.config_periods import find_period, find_range, periodic, ranged, write_out

# What the number of layers is called, beside the name that `num_hidden_layers` is read from.
_DEPTH = re.compile(r"^((n|num|num_hidden|decoder|num_decoder)_layers?|num_blocks)$")
# Lists that may happen to be as long as the model is deep, and dictionaries with numbers, that say nothing of layers.
_NOT_PER_LAYER = {
    *("architectures", "bos_token_id", "eos_token_id", "pad_token_id", "suppress_tokens", "begin_suppress_tokens"),
    *("mlp_multipliers", "ssm_multipliers", "time_step_limit", "id2label", "label2id", "languages"),
    *("rope_parameters", "rope_scaling", "quantization_config"),
}
# Layers that predict further tokens follow the decoder's own, and are counted and described for themselves.
_APART, _FURTHER = "mtp_", "num_nextn_predict_layers"
# Numbers of layers with something in common, counted from the first and from the last layer.
_FIRST = {*("first_k_dense_replace", "num_dense_layers", "max_window_layers"), *("dense_mlp_idx", "num_hash_layers")}
_LAST = {"num_kv_shared_layers"}
# Endings of lists of numbers of layers, such as attn_layer_indices, full_attn_idxs, mlp_only_layers, local_layer_ids.
# moe_layers_enum is a text with commas between.
_NUMBERS = ("_indices", "_idxs", "_layers", "_layer_ids", "_layers_enum")
# One letter, or digit, for each layer; of dictionaries inside, what the fields of that kind are called.
_LETTERS, _INSIDE = re.compile("pattern|layout"), re.compile("layer|freq|types|pattern|indices|idxs")


def mend(config: Any, mask: NDArray[np.bool_]) -> None:
    """Lets a configuration describe the layers that `mask` (layers,) keeps, as far as it can; changed in place."""
    layers, fields = len(mask), _Fields(config, mask)
    periods, span = periodic(config, layers), ranged(config, layers)
    single = config.to_dict().get("per_layer_config")  # what differs from the fields for all layers, by number
    config.per_layer_config = None
    write_out(config, layers)
    if hasattr(config, "scale_depth"):  # MiniCPM3: divided by the root of the number of layers
        config.scale_depth *= math.sqrt(np.count_nonzero(mask) / layers)
    for field, value in list(vars(config).items()):
        if field.startswith(("_", _APART)) or field in _NOT_PER_LAYER:
            continue
        if (mended := fields.mended(field, value)) != value:
            setattr(config, field, mended)
    if single is not None:
        config.per_layer_config = fields.by_number(single)
    for field, flags in periods.items():
        find_period(config, field, flags[mask])
    if span is not None:
        find_range(config, span[mask])


class _Fields:
    """What becomes of single fields."""

    def __init__(self, config: Any, mask: NDArray[np.bool_]) -> None:
        self._mask, self._layers = mask, len(mask)
        self._kept = [int(number) for number in np.flatnonzero(mask)]
        self._numbers = {old: new for new, old in enumerate(self._kept)}
        self._further = int(getattr(config, _FURTHER, None) or 0)
        self._depth = config.attribute_map.get("num_hidden_layers", "num_hidden_layers")

    def mended(self, field: str, value: Any) -> Any:
        """A field's value for the layers that are kept; itself where it says nothing of single layers."""
        if type(value) is int:
            return self._count(field, value)
        if isinstance(value, str):
            return self._text(field, value)
        if isinstance(value, list | tuple):
            return self._list(field, value)
        if isinstance(value, dict):
            return self.by_number(value) if self._is_by_number(value) else self._inside(value)
        return value

    def by_number(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """What is said of layers by their numbers, which may be in text."""
        return {
            type(number)(self._numbers[int(number)]): said
            for number, said in value.items()
            if int(number) in self._numbers
        }

    def _count(self, field: str, value: int) -> int:
        if field in _FIRST:
            return sum(number < value for number in self._kept)
        if field in _LAST:
            return sum(number >= self._layers - value for number in self._kept)
        named = field == self._depth or _DEPTH.search(field)
        return len(self._kept) if named and value == self._layers else value

    def _text(self, field: str, value: str) -> str:
        if _LETTERS.search(field) and len(value) == self._layers:
            return "".join(letter for letter, keep in zip(value, self._mask, strict=True) if keep)
        if field.endswith(_NUMBERS) and re.fullmatch(r"[\d\s,]+", value):
            return ",".join(map(str, self._renumbered(map(int, re.findall(r"\d+", value)), 0)))
        return value

    def _list(self, field: str, value: list[Any] | tuple[Any, ...], first: int = 0) -> list[Any] | tuple[Any, ...]:
        """`first` is the number of the first layer."""
        if field.endswith(_NUMBERS) and not self._flags(value):
            if all(type(item) is int for item in value):
                return self._renumbered(value, first)
            if all(isinstance(item, list | tuple) for item in value) and len(value) != self._layers:
                return [self._list(field, item, first) for item in value]
        if len(value) in (self._layers, self._layers + self._further):
            own = [item for item, keep in zip(value, self._mask, strict=False) if keep]
            return [*own, *value[self._layers :]]
        return value

    def _flags(self, value: list[Any] | tuple[Any, ...]) -> bool:
        """Whether a list has a 0 or 1 for each layer, as no_rope_layers does; no list of numbers has twice the same."""
        return len(value) == self._layers > 2 and all(type(item) in (int, bool) and item in (0, 1) for item in value)

    def _renumbered(self, value: Iterable[int], first: int) -> list[int]:
        return [self._numbers[number - first] + first for number in value if number - first in self._numbers]

    def _is_by_number(self, value: dict[Any, Any]) -> bool:
        keys = [str(key) for key in value]
        return bool(keys) and all(key.isdecimal() and int(key) < self._layers for key in keys)

    def _inside(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """Fields of a dictionary that other programs read, such as Kimi's, whose layers count from one."""
        lists = [item for field, item in value.items() if str(field).endswith(_NUMBERS) and isinstance(item, list)]
        named = {number for item in lists for number in item if type(number) is int}
        first = int(self._layers in named and 0 not in named)
        return {
            field: item
            if not (isinstance(field, str) and _INSIDE.search(field)) or type(item) is int
            else self._list(field, item, first)
            if isinstance(item, list)
            else self.mended(field, item)
            for field, item in value.items()
        }
