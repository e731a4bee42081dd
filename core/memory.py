"""Memory that was freed, given back to the system."""

import ctypes
import gc
import sys


def give_back() -> None:
    """Asks glibc for what it keeps after many tensors of a megabyte were freed; does nothing on other systems."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # musl has none
        trim(0)
