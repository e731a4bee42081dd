"""Where to compute, and in which precision."""

import torch

from core.errors import DeviceError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str = "auto") -> str:
    """The device to compute on; auto prefers CUDA, then MPS, then the CPU."""
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if have[name])
    kind, colon, index = device.partition(":")
    exists = have.get(kind, False) and (not colon or (kind == "cuda" and index.isdecimal()))
    if not exists or (colon and int(index) >= torch.cuda.device_count()):
        raise DeviceError(
            f"This machine has no device {device}.",
            f"Use --device auto, or one of: {', '.join(name for name in have if have[name])}.",
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
