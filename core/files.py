"""Files that somebody else wrote, read within bounds: regular ones alone, up to a size; JSON also up to so many values.

A pipe or a device may never end, a sparse file has no measure, and JSON takes up to thirty times its size in memory.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

# Real settings of models have a megabyte or two, and up to 200,000 values: the index of the largest one has as many.
LARGEST, MOST = 2**25, 2_000_000


def content_of(file: Path, largest: int) -> bytes:
    """All bytes of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or larger.
    """
    regular_size(file)
    # What a file is may change after it was looked at; a pipe that is opened so is no reason to wait.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as content:  # noqa: PTH123 - a descriptor has no path
        size = _regular(os.fstat(descriptor))
        if size > largest or len(found := content.read(largest + 1) or b"") > largest:
            raise ValueError(f"it has {max(size, largest + 1):,} bytes")
    return found


def json_of(file: Path, largest: int = LARGEST, most: int = MOST) -> Any:
    """What a file of JSON in UTF-8 holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, larger, no JSON, nested too deep, or of more than `most` values.
    """
    text = content_of(file, largest)
    if (values := most_values(text)) > most:
        raise ValueError(f"it has up to {values:,} values")
    try:
        return json.loads(text.decode("utf-8"))
    except RecursionError as cause:
        raise ValueError("it is nested too deep") from cause


def most_values(text: bytes) -> int:
    """No JSON text has more values than this: each but the first comes after a comma or a bracket."""
    return 1 + sum(text.count(sign) for sign in (b",", b"[", b"{"))


def regular_size(file: Path) -> int:
    """Bytes of a regular file; ValueError for a pipe, a device, or anything else that reading might wait for."""
    return _regular(file.stat())


def _regular(found: os.stat_result) -> int:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file")
    return found.st_size
