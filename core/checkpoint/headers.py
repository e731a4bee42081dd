"""Which files of a folder transformers reads, and which tensors are where in them, of what type and shape.

No weights are read, and no torch is needed. The format: eight bytes say how long the JSON after them is; the tensors'
bytes follow it, without gaps (https://huggingface.co/docs/safetensors). Other files in the folder are nothing: other
variants, shards that the index does not name, the weights of another program.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from core.errors import UnsafeWeights, UnsupportedModel
from core.files import LARGEST, MOST, json_of, most_values, regular_size
from core.paths import is_there

_SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Where config.json may name another file or index; transformers reads it before the usual names.
_EXPLICIT = "transformers_weights"
_AGAIN = "Download or copy the model again."


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


@dataclass(frozen=True)
class WeightFiles:
    """What of a folder is the model: files of weights, in the order in which they are read, and their index."""

    files: tuple[Path, ...]
    index: Path | None
    shards: Mapping[str, str]  # the index's: of some tensors, the name of the file


def weight_files(folder: Path) -> WeightFiles:
    """The files that transformers loads: what config.json names, or else model.safetensors, or else the index's shards.

    Raises:
        UnsafeWeights: names that lead out of the folder.
        UnsupportedModel: no such file, or one that cannot be read.
    """
    chosen = _explicit(folder) or next((name for name in (_SINGLE, INDEX) if (folder / name).is_file()), None)
    if chosen is None:
        others = sorted(file.name for file in folder.glob("*.safetensors"))
        raise UnsupportedModel(
            f"{folder} has neither {_SINGLE} nor {INDEX}"
            + (f", and {others[0][:100]} is none that transformers reads." if others else "."),
            "Copy the index with its shards, or save the model again: model.save_pretrained(folder).",
        )
    if not chosen.endswith(".index.json"):
        return WeightFiles((folder / chosen,), None, {})
    index = read_object(folder / chosen)
    shards = shards_of(chosen, index)
    names = sorted(set(shards.values()))
    if missing := next((name for name in names if not is_there(folder / name)), None):
        raise UnsupportedModel(f"The file {missing[:100]} is missing.", _AGAIN)
    if not isinstance(index.get("metadata"), dict):
        raise UnsupportedModel(
            f"{chosen} has no metadata, and transformers does not read it without.",
            'Write "metadata": {} into it, beside "weight_map".',
        )
    return WeightFiles(tuple(folder / name for name in names), folder / chosen, shards)


def headers(folder: Path) -> dict[str, Header]:
    """Every tensor that transformers loads from a folder, by name.

    A shard's tensors are all loaded, whether the index names them or not; of a name that stands in several, the last.

    Raises:
        UnsafeWeights, UnsupportedModel: as of `weight_files`, and for a file that is truncated, whose header does not
            describe it, or that the index contradicts.
    """
    weights = weight_files(folder)
    found: dict[str, Header] = {}
    for file in weights.files:
        found |= _read(file)
    for name, shard in weights.shards.items():
        if name in found and found[name].file.name != shard:
            raise UnsupportedModel(
                f"{name[:100]} is in {found[name].file.name}, and the index says that it is in {shard}.",
                "Download or copy the index and its shards again: they are not of one model.",
            )
    return found


def shards_of(name: str, index: dict[str, Any]) -> dict[str, str]:
    """The weight_map of an index file: of each tensor the name of the file that holds it, beside the index.

    Raises:
        UnsafeWeights, UnsupportedModel: it has none, or one that leads elsewhere.
    """
    shards = index.get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise UnsupportedModel(f"{name} has no weight_map of file names.", _AGAIN)
    for shard in sorted(set(shards.values())):
        if leaves(shard) or not shard.endswith(".safetensors"):
            raise UnsafeWeights(
                f"{name} names {shard[:100]}, which is no safetensors file of the folder.",
                "Use the index that save_pretrained wrote beside the weights.",
            )
    return shards


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file, or UnsupportedModel: too large, too deep, or something else."""
    try:
        content = json_of(file)
    except (OSError, ValueError) as cause:
        raise UnsupportedModel(f"{file.name} cannot be read: {str(cause)[:200]}.", _AGAIN) from cause
    if not isinstance(content, dict):
        raise UnsupportedModel(f"{file.name} holds no JSON object.", _AGAIN)
    return content


def leaves(name: str) -> bool:
    """Whether a name in a file of settings is anything but that of a file beside it."""
    return "/" in name or "\\" in name or name == ".."


def _explicit(folder: Path) -> str | None:
    """The file of weights that config.json names, if it does."""
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    inner = [value[_EXPLICIT] for value in config.values() if isinstance(value, dict) and value.get(_EXPLICIT)]
    name = config.get(_EXPLICIT)
    if not name and not inner:
        return None
    if inner or not isinstance(name, str) or leaves(name) or not name.endswith((".safetensors", ".index.json")):
        raise UnsafeWeights(
            f"config.json names weights of its own ({_EXPLICIT}: {str(name or inner[0])[:100]}), which are no "
            "safetensors file of the folder.",
            f"Delete the entry {_EXPLICIT} from config.json, and name the file {_SINGLE}.",
        )
    if not is_there(folder / name):
        raise UnsupportedModel(f"The file {name[:100]}, which config.json names, is missing.", _AGAIN)
    return name


def _read(file: Path) -> dict[str, Header]:
    try:
        regular_size(file)
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
        if length > LARGEST:
            raise ValueError(f"its header says that it has {length:,} bytes")
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            text = content.read(length)
        if (values := most_values(text)) > MOST:
            raise ValueError(f"its header has up to {values:,} values")
        with safe_open(file, framework="numpy"):  # the library's own checks: sizes, offsets, overlaps, depth
            pass
        described = json.loads(text)
    except (SafetensorError, OSError, ValueError, RecursionError, struct.error) as cause:
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
