"""Large tensors on Linux: memory that was freed is kept, so that the next forward finds it ready.

glibc gives every large block back to the system and asks for it anew, page by page; logits of a hundred megabytes then
cost more than a tenth of the head's time. `benchmarks/` holds the measurement.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Tells glibc to serve large blocks from its own heap; does nothing on other systems."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**30)
