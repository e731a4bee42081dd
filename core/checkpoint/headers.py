"""The headers of safetensors files: which tensors are where, of what type and shape. No weights are read, no torch.

The format: eight bytes say how long the JSON after them is; the tensors' bytes follow it, without gaps
(https://huggingface.co/docs/safetensors).
"""

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from core.errors import UnsupportedModel


@dataclass(frozen=True)
class Header:
    """One tensor in a file."""

    file: Path
    dtype: str  # as the format spells it: F32, BF16, …
    shape: tuple[int, ...]
    begin: int  # of its bytes, from the start of the file
    size: int  # bytes

    @property
    def elements(self) -> int:
        return prod(self.shape)


def headers(folder: Path) -> dict[str, Header]:
    """Every tensor that transformers loads from the safetensors files of a folder, by name.

    Raises:
        UnsupportedModel: a file that is truncated, or whose header does not describe it.
    """
    found: dict[str, Header] = {}
    for file in _files(folder):
        found |= _read(file)
    return found


def _files(folder: Path) -> list[Path]:
    """One file of the usual name, or its shards; there may be others beside them, in another format."""
    every = sorted(folder.glob("*.safetensors"))
    usual = [file for file in every if file.name == "model.safetensors"]
    return usual or [file for file in every if file.name.startswith("model-")] or every


def _read(file: Path) -> dict[str, Header]:
    try:
        with safe_open(file, framework="numpy"):  # the library's own checks: sizes, offsets, overlaps, depth
            pass
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            described = json.loads(content.read(length))
    except (SafetensorError, OSError, ValueError, struct.error) as cause:
        raise UnsupportedModel(
            f"{file.name} is damaged: {str(cause).strip()[:200]}.",
            "Download or copy the model again: the file is shorter or longer than its own header says.",
        ) from cause
    return {
        name: Header(file, tensor["dtype"], tuple(tensor["shape"]), 8 + length + first, last - first)
        for name, tensor in described.items()
        if name != "__metadata__"
        for first, last in [tensor["data_offsets"]]
    }
