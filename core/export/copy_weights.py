"""The weights of a smaller model, copied from file to file: byte by byte what they were, in the dtype they were.

No tensor is ever in memory: a piece of a file is. So models whose files are packed in some way are copied like others.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from core.checkpoint.headers import Header, headers
from core.errors import ExportError
from core.model.blocks import ENTRY

SHARD, _PIECE = 5_000_000_000, 2**24  # bytes in a file, which Hubs and readers take well; bytes in memory


def check_copying(folder: Path, path: str, layers: int) -> None:
    """ExportError for files that describe each tensor in metadata of their own, as torchao's do, beside the headers.

    Args:
        folder, path: as of `write_weights`.
        layers: of the whole model.
    """
    tensors = headers(folder)
    prefix = _prefix(tensors, path, layers) + "."
    for file in {tensor.file for tensor in tensors.values()}:
        with safe_open(file, framework="numpy") as opened:
            own = [name for name in opened.metadata() or {} if name.startswith(prefix)]
        if own:
            raise ExportError(
                f"{file.name} describes its tensors in metadata of its own, such as {own[0]}, and blocks cannot be "
                "renumbered there.",
                "Export the model's version that is not quantised: the same layers can be removed there.",
            )


def write_weights(folder: Path, out: Path, path: str, mask: NDArray[np.bool_], shard: int = SHARD) -> None:
    """Writes the safetensors files of a model without some blocks; the others are numbered anew.

    Args:
        folder: of the whole model.
        out: a folder that exists.
        path: dotted name of the list of blocks in the model; in the files it may have another prefix.
        mask: (layers,).
        shard: bytes in a file, unless a single tensor is larger.

    Raises:
        ExportError: the names in the files do not say which block a tensor belongs to.
    """
    tensors = _renamed(headers(folder), path, mask)
    # The widest types first, as the format's own writer does: every tensor then begins at a multiple of its item.
    names = sorted(tensors, key=lambda name: -(tensors[name].size // max(1, tensors[name].elements)))
    shards: list[list[str]] = [[]]
    filled = 0
    for name in names:
        if shards[-1] and filled + tensors[name].size > shard:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += tensors[name].size
    if len(shards) == 1:
        _write(out / "model.safetensors", shards[0], tensors)
        return
    where: dict[str, str] = {}
    for number, part in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write(out / file, part, tensors)
        where |= dict.fromkeys(part, file)
    total = sum(tensor.size for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _renamed(tensors: dict[str, Header], path: str, mask: NDArray[np.bool_]) -> dict[str, Header]:
    """The tensors that stay, under their new names."""
    prefix = _prefix(tensors, path, len(mask)) + "."
    number = {str(old): str(new) for new, old in enumerate(np.flatnonzero(mask))}
    kept: dict[str, Header] = {}
    for name, tensor in tensors.items():
        if not name.startswith(prefix):
            kept[name] = tensor
            continue
        block, dot, rest = name.removeprefix(prefix).partition(".")
        if block == "0" and rest.startswith(f"{ENTRY}."):  # no part of the first block: see core.model.blocks
            kept[name] = tensor
        elif block in number or not block.isdigit():
            kept[prefix + number.get(block, block) + dot + rest] = tensor
    return kept


def _prefix(names: Sequence[str] | dict[str, Header], path: str, layers: int) -> str:
    """What the names of all blocks' tensors begin with, before the number of the block.

    Files may leave out the front of `path`, or have another one. Blocks past the last one are for other uses, such as
    predicting several tokens at once; no causal model loads them.
    """
    numbers: dict[str, set[int]] = {}
    for name in names:
        parts = name.split(".")
        for position, part in enumerate(parts):
            if part.isdigit():
                numbers.setdefault(".".join(parts[:position]), set()).add(int(part))
    complete = [prefix for prefix, seen in numbers.items() if seen >= set(range(layers))]
    if not complete:
        raise ExportError(
            f"The names in the model's files do not say which of the {layers} blocks a tensor belongs to.",
            "Load the model with transformers, save it with save_pretrained, and use that folder.",
        )
    # Of lists inside blocks, such as experts, there may be as many; the list of blocks is outside.
    last = path.rpartition(".")[2]
    return min(complete, key=lambda prefix: (prefix.rpartition(".")[2] != last, prefix.count(".")))


def _write(file: Path, names: Sequence[str], tensors: dict[str, Header]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        tensor = tensors[name]
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [end, end + tensor.size]}
        end += tensor.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as target:
        target.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            tensor = tensors[name]
            with tensor.file.open("rb") as source:
                source.seek(tensor.begin)
                for done in range(0, tensor.size, _PIECE):
                    target.write(source.read(min(_PIECE, tensor.size - done)))
