"""Memory: what there is for weights, and what was freed, given back to the system."""

import ctypes
import gc
import os
import sys
from pathlib import Path

import psutil

from core.errors import DeviceError

GIB = 2**30
# Of graphics cards: NVIDIA's, AMD's, and Windows' for a Linux inside it.
_DRIVERS = Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg")
_CGROUPS = Path("/sys/fs/cgroup")


def may_accelerate() -> bool:
    """Whether there may be something else to compute on than processors, told without torch: by drivers, on Linux."""
    return sys.platform != "linux" or any(map(Path.exists, _DRIVERS))


def available() -> int:
    """Bytes of main memory that this process may still take.

    The least of what the system has free or can free at once, what is left below the limit of a container, and
    $QUORUM_MEMORY: GiB that a user allows.

    Raises:
        DeviceError: $QUORUM_MEMORY is no amount of memory.
    """
    return min([int(psutil.virtual_memory().available), *_left_in_container(), *_allowed()])


def amount(size: float) -> str:
    """Bytes as a person says them."""
    return f"{size / GIB:,.1f} GiB" if size >= GIB else f"{size / 2**20:,.1f} MiB"


def give_back() -> None:
    """Asks glibc for what it keeps after many tensors of a megabyte were freed; does nothing on other systems."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # musl has none
        trim(0)


def _left_in_container(root: Path = _CGROUPS) -> list[int]:
    """What the container's limit leaves, in version 2 or 1 of control groups; cached files in it can be dropped."""
    for folder, limit, used, cached in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, taken = (folder / limit).read_text().strip(), int((folder / used).read_text())
            counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return [] if most == "max" else [max(0, int(most) - taken + int(counts.get(cached, 0)))]
        except (OSError, ValueError):
            continue
    return []


def _allowed() -> list[int]:
    text = os.environ.get("QUORUM_MEMORY")
    if not text:
        return []
    try:
        amount = float(text)
        if not 0 < amount < float("inf"):
            raise ValueError(text)
    except ValueError as cause:
        raise DeviceError(
            f"QUORUM_MEMORY is {text[:40]}, which is no amount of memory.", "Give it in GiB, such as QUORUM_MEMORY=12."
        ) from cause
    return [int(amount * GIB)]
