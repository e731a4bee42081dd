"""Weights laid out once for the processor's matrix multiplication, instead of anew in every call.

A CPU multiplies by blocks, and a plain weight is brought into that layout, or read against it, each time. The library
behind torch (oneDNN) takes weights that have been laid out before. This pays most where few tokens go through a layer.
The laid out weights are a second copy; the model keeps its own, and is as it was outside of `in_use`.
"""

from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import nn

from core.evaluate.limits import PACKED
from core.model.skipping import Forward, replaced

# Any layout serves any number of rows; this one was as fast as any from 64 rows on.
_ROWS = 256


class PackedLinears:
    """The linear layers of a model on a CPU, with packed weights; empty where packing does not help or is too large.

    An offloaded model has no memory to spare for a second copy, and its layers' weights come and go.
    """

    def __init__(self, model: nn.Module) -> None:
        linears = [module for module in model.modules() if type(module) is nn.Linear and _packable(module.weight)]
        weights = {linear.weight.data_ptr(): linear.weight for linear in linears}  # tied ones once
        self._forwards: list[tuple[nn.Module, Forward]] = []
        if any(weight.is_meta for weight in model.parameters()):
            return
        if sum(weight.nbytes for weight in weights.values()) > PACKED:
            return
        with torch.inference_mode():
            packed = {
                where: torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)
                for where, weight in weights.items()
            }
        for linear in linears:
            self._forwards.append((linear, partial(_linear, packed[linear.weight.data_ptr()], linear.bias)))

    def in_use(self) -> AbstractContextManager[None]:
        """Lets the layers multiply by their packed weights."""
        return replaced(self._forwards)


def _packable(weight: torch.Tensor) -> bool:
    return (
        type(weight) is nn.Parameter  # a quantised weight is a tensor of its own kind
        and type(weight.data) is torch.Tensor
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and torch._C._has_mkldnn
        and (weight.dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def _linear(packed: torch.Tensor, bias: torch.Tensor | None, hidden: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(hidden, packed, bias, "none", [], "")
    return result
