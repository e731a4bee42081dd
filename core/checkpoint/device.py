"""Where to compute, in which precision, and where the weights are kept."""

from typing import Any

import psutil
import torch

from core.checkpoint.memory import available
from core.errors import DeviceError
from core.records.spec import OFFLOAD

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Of the memory that is free when an offloaded model is loaded; the rest is for hidden states, logits and the layer
# that is being computed.
_FOR_WEIGHTS = 0.8


def choose_device(device: str = "auto") -> str:
    """The device to compute on; auto prefers CUDA, then MPS, then the CPU, and offload CUDA, then the CPU."""
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if have[name])
    if device == OFFLOAD:
        return "cuda" if have["cuda"] else "cpu"
    kind, colon, index = device.partition(":")
    exists = have.get(kind, False) and (not colon or (kind == "cuda" and index.isdecimal()))
    if not exists or (colon and int(index) >= torch.cuda.device_count()):
        raise DeviceError(
            f"This machine has no device {device}.",
            f"Use --device auto, or one of: {', '.join(name for name in have if have[name])}, {OFFLOAD}.",
        )
    return device


def choose_dtype(dtype: str, device: str) -> str:
    """The dtype to compute in; auto takes 16 bits where the device multiplies in them natively, and float32 elsewhere.

    A CPU without native bf16 emulates it, several times slower than float32.
    """
    if dtype == "auto":
        if device.startswith("cuda"):
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
        if device == "mps":
            return "float16"
        able = torch.cpu.get_capabilities()
        return "bfloat16" if any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "float32"
    if dtype not in DTYPES:
        raise DeviceError(f"There is no dtype {dtype}.", f"Use auto, {', '.join(DTYPES)}.")
    return dtype


def free_memory(device: str) -> int:
    """Bytes that weights may take on a device, as `choose_device` names it."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.startswith("cuda") else available()


def all_memory(device: str) -> int:
    """Bytes of a device, as `choose_device` names it, whatever else is on it."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)


def placement(device: str) -> dict[str, Any]:
    """Where `from_pretrained` is to put the weights, in its own arguments.

    Offloaded ones lie on GPUs, then in main memory, then on the disk; each layer is brought to the device that
    computes when its turn comes.

    Args:
        device: what the user asked for.
    """
    if device != OFFLOAD:
        return {"device_map": {"": choose_device(device)}}
    room: dict[int | str, int] = {index: free_memory(f"cuda:{index}") for index in range(torch.cuda.device_count())}
    room["cpu"] = available()
    return {"device_map": "auto", "max_memory": {place: int(size * _FOR_WEIGHTS) for place, size in room.items()}}
