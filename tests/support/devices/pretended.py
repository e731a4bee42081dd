"""Devices of which there may be any number, made of the processor: a tensor there is one here that says where it is.

What an accelerator refuses is refused, so that a step which brings tensors of two devices together fails as it would on
two GPUs; numbers are those of the processor. For a process of its own: torch learns of the devices' name once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
from transformers import PreTrainedModel

NAME = "pretended"
_CPU = torch.device("cpu")


class Placed(torch.Tensor):
    """A tensor of a pretended device."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor, device: torch.device) -> "Placed":
        with torch.inference_mode(False):  # else no view of it may be made outside of that mode
            found: Placed = torch.Tensor._make_wrapper_subclass(
                cls, here.shape, strides=here.stride(), dtype=here.dtype, device=device
            )
        found.here = here
        return found

    @property
    def data(self) -> "Placed":
        return Placed(self.here, self.device)

    @data.setter
    def data(self, other: "Placed") -> None:
        self.here = other.here

    def tolist(self) -> Any:
        return self.here.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Pretending(TorchDispatchMode):
    """Lets tensors be made on pretended devices."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    leaves = tree_leaves((args, kwargs))
    # Numbers on the processor, of no dimension, may go with tensors of any device; as they may on a GPU.
    tensors = {leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor) and (leaf.dim() or leaf.device != _CPU)}
    asked = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
    if asked is None and func is not torch.ops.aten.copy_.default and len(tensors) > 1:
        raise RuntimeError(f"Expected all tensors to be on the same device, but {func} has {tensors}.")
    device = asked or next(iter(tensors), _CPU)
    found = func(*tree_map(_here, args), **tree_map(_here, kwargs))
    if args and found is _here(args[0]) and isinstance(args[0], torch.Tensor) and asked in (None, args[0].device):
        return args[0]  # changed in place, or moved to where it is
    if device.type != NAME:
        return found
    return tree_map(lambda leaf: Placed(leaf, device) if isinstance(leaf, torch.Tensor) else leaf, found)


def _here(leaf: Any) -> Any:
    if isinstance(leaf, torch.device):
        return _CPU
    return leaf.here if isinstance(leaf, Placed) else leaf


def _empty(size: Any, stride: Any, *, device: torch.device, dtype: Any = None, **_: Any) -> Placed:
    return Placed(torch.empty_strided(size, stride, dtype=dtype), device)


def _copied(source: torch.Tensor, into: torch.Tensor, _: bool = False) -> torch.Tensor:
    _here(into).copy_(_here(source))
    return into


@contextmanager
def pretending() -> Iterator[None]:
    """While the block runs, torch has the devices pretended:0, pretended:1, …"""
    _setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("aten", "IMPL")  # `torch.tensor` asks the device itself, past what is above
    library.impl("empty_strided", _empty, "PrivateUse1")
    library.impl("_copy_from", _copied, "PrivateUse1")
    with _Pretending():
        yield


def spread(model: PreTrainedModel, blocks: list[nn.Module], devices: int) -> None:
    """Lays a model's blocks out over devices in turn, as accelerate does: each part brings its inputs to its own."""
    homes = {block: place * devices // len(blocks) for place, block in enumerate(blocks)}
    body, head = model.base_model, model.get_output_embeddings()
    last = {module for module in (*body.children(), head) if not isinstance(module, nn.ModuleList)}
    first = {model.get_input_embeddings(), *(module for module in last if "rotary" in type(module).__name__.lower())}
    homes |= dict.fromkeys(last - first, devices - 1) | dict.fromkeys(first, 0)
    for module, place in homes.items():
        device = torch.device(NAME, place)
        for inner in module.modules():
            for name, weight in list(inner._parameters.items()):
                if weight is not None:
                    inner._parameters[name] = nn.Parameter(Placed(weight.detach(), device), requires_grad=False)
            for name, buffer in list(inner._buffers.items()):
                if buffer is not None:
                    inner._buffers[name] = Placed(buffer, device)
        _bring(module, device, back=False)
    _bring(model, torch.device(NAME, 0), back=True)


def _bring(module: nn.Module, device: torch.device, *, back: bool) -> None:
    hook = AlignDevicesHook(io_same_device=back)
    add_hook_to_module(module, hook)
    hook.execution_device = device
