"""Checkpoints whose weights are quantised by a library of their own, as config.json says: `quantization_config`.

transformers loads them through that library, and they are evaluated as they are. Some formats are dequantised where
the device has no kernels for them (fp8 on a CPU): the same files are then another model.
"""

import copy
from collections.abc import Iterator
from math import prod
from typing import Any

from torch import nn
from transformers.quantizers.auto import AutoHfQuantizer, get_hf_quantizer

from core.errors import UnsupportedModel
from core.tools.lending import lend, places_kept

# Where the package to install has another name than the method.
_PACKAGES = {"gptq": "gptqmodel", "awq": "gptqmodel", "quanto": "optimum-quanto", "fp8": "kernels", "mxfp4": "kernels"}
_USE_ANOTHER = "Or use the model's version that is not quantised."


def quantisation(source: str, config: Any, device: str) -> str:
    """How the weights stay quantised on a device, such as "bitsandbytes 4-bit"; empty where they do not.

    Args:
        source: what the user named.
        config: the checkpoint's; left as found.
        device: where it would be computed.

    Raises:
        UnsupportedModel: transformers does not know the method, its library is missing, or it cannot run there.
    """
    given = getattr(config, "quantization_config", None) or getattr(
        config.get_text_config(decoder=True), "quantization_config", None
    )
    if given is None:
        return ""
    fields = given if isinstance(given, dict) else given.to_dict()
    method = str(fields.get("quant_method") or "bitsandbytes")
    lend(_PACKAGES.get(method, method))
    quantisers: Any = AutoHfQuantizer  # transformers gives neither types
    build: Any = get_hf_quantizer
    try:
        if not quantisers.supports_quant_method(fields):  # transformers would read the weights as if they were plain
            raise ValueError("transformers does not know this method")
        with places_kept():
            quantiser, *_ = build(copy.deepcopy(config), None, {"": device}, True, {})
    except ImportError as cause:
        raise UnsupportedModel(
            f"{source} is quantised with {method}, and its library is not installed: {_first_line(cause)}",
            f"Install it: pip install {_PACKAGES.get(method, method)}. {_USE_ANOTHER}",
        ) from cause
    except (RuntimeError, ValueError, TypeError, KeyError, OSError) as cause:
        raise UnsupportedModel(
            f"{source} is quantised with {method}, which cannot run on {device} here: {_first_line(cause)}",
            f"Use a device that {method} supports. {_USE_ANOTHER}",
        ) from cause
    if getattr(quantiser.quantization_config, "dequantize", False):
        return ""
    bits = _bits(fields)
    return f"{method} {bits}-bit" if bits else method


def count_parameters(module: nn.Module) -> int:
    """Parameters of a module as they were before they were packed: several of them may share a byte."""
    return sum(_weights(module, set()))


def _weights(module: nn.Module, seen: set[int]) -> Iterator[int]:
    """The size of each distinct parameter; tied ones count once."""
    sizes = ("out_features", "outfeatures"), ("in_features", "infeatures")  # torch's names, and auto-round's
    rows, columns = (getattr(module, ours, getattr(module, theirs, None)) for ours, theirs in sizes)
    linear = rows * columns if isinstance(rows, int) and isinstance(columns, int) else 0
    for name, weight in module.named_parameters(recurse=False):
        if id(weight) not in seen:
            yield linear if linear and name == "weight" else prod(weight.shape)
        seen.add(id(weight))
    if linear and getattr(module, "weight", None) is None:
        yield linear  # some keep their packed weights in buffers
    for child in module.children():
        yield from _weights(child, seen)


def _bits(fields: dict[str, Any]) -> int | None:
    if fields.get("load_in_4bit") or fields.get("load_in_8bit"):
        return 4 if fields.get("load_in_4bit") else 8
    found = next((fields[name] for name in ("bits", "w_bit", "nbits") if name in fields), None)
    return found if isinstance(found, int) else None


def _first_line(cause: Exception) -> str:
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)[:300]
