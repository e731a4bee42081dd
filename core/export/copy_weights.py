"""The weights of a smaller model, copied from file to file: byte by byte what they were, in the dtype they were.

No tensor is ever in memory: a piece of a file is. So models whose files are packed in some way are copied like others.
Those few that a compensation has changed are written from memory, in the dtype that they have in the files.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from core.checkpoint.headers import Header, headers
from core.errors import ExportError
from core.model.blocks import ENTRY

SHARD, _PIECE = 5_000_000_000, 2**24  # bytes in a file, which Hubs and readers take well; bytes in memory
_T = TypeVar("_T")
_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def check_copying(folder: Path, path: str, layers: int, block: nn.Module | None = None) -> None:
    """ExportError for files that describe each tensor in metadata of their own, as torchao's do, beside the headers.

    Args:
        folder, path, block: as of `write_weights`.
        layers: of the whole model.
    """
    tensors = headers(folder)
    prefix = _prefix(tensors, path, layers, block) + "."
    for file in {tensor.file for tensor in tensors.values()}:
        with safe_open(file, framework="numpy") as opened:
            own = [name for name in opened.metadata() or {} if name.startswith(prefix)]
        if own:
            raise ExportError(
                f"{file.name} describes its tensors in metadata of its own, such as {own[0]}, and blocks cannot be "
                "renumbered there.",
                "Export the model's version that is not quantised: the same layers can be removed there.",
            )


def as_stored(
    folder: Path, path: str, layers: int, model: PreTrainedModel, changed: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Changed weights with the rounding that the files will give them, so that what is measured is what is written.

    Args:
        folder, path: as of `write_weights`.
        layers: of the whole model.
        model: the whole one.
        changed: new values, by their names in the model.

    Returns:
        They by these names, and by those in the files, which may hold each expert by itself.

    Raises:
        ExportError: the files hold such a weight in another form.
    """
    tensors = headers(folder)
    prefix = _prefix(tensors, path, layers, model.get_submodule(f"{path}.0"))
    rounded: dict[str, torch.Tensor] = {}
    stored: dict[str, torch.Tensor] = {}
    for name, value in changed.items():
        parts = {prefix + name.removeprefix(path): value}
        if not parts.keys() <= tensors.keys():
            saved = {name: value}
            with suppress(ValueError, KeyError, RuntimeError):  # a rule that needs further weights beside this one
                saved = revert_weight_conversion(model, {name: value})
            parts = {re.sub(f"^{re.escape(path)}", prefix, part): one for part, one in saved.items()}
        found = [tensors.get(part) for part in parts]
        types = {tensor.dtype for tensor in found if tensor is not None}
        shapes = [tensor and tensor.shape for tensor in found]
        if shapes != [tuple(one.shape) for one in parts.values()] or len(types) != 1 or not types <= _TYPES.keys():
            raise ExportError(
                f"The model's files do not hold {name} as the model does, and it cannot be changed there.",
                "Load the model with transformers, save it with save_pretrained and use that folder, or use "
                "--compensate none.",
            )
        rounded[name] = value.to(_TYPES[types.pop()]).to(value.dtype)
        stored |= parts
    return rounded, stored


def write_weights(
    folder: Path,
    out: Path,
    path: str,
    mask: NDArray[np.bool_],
    block: nn.Module | None = None,
    shard: int = SHARD,
    changed: Mapping[str, torch.Tensor] = MappingProxyType({}),
) -> None:
    """Writes the safetensors files of a model without some blocks; the others are numbered anew.

    Args:
        folder: of the whole model.
        out: a folder that exists.
        path: dotted name of the list of blocks in the model; in the files it may have another prefix.
        mask: (layers,).
        block: the first one as it was loaded, which tells the decoder's from those of a tower beside it.
        shard: bytes in a file, unless a single tensor is larger.
        changed: values that take the place of the files', by their names there: see `as_stored`.

    Raises:
        ExportError: the names in the files do not say which block a tensor belongs to.
    """
    whole = headers(folder)
    prefix = _prefix(whole, path, len(mask), block)
    tensors = _renamed(whole, prefix, mask)
    values = _renamed(changed, prefix, mask)
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
        _write(out / "model.safetensors", shards[0], tensors, values)
        return
    where: dict[str, str] = {}
    for number, part in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write(out / file, part, tensors, values)
        where |= dict.fromkeys(part, file)
    total = sum(tensor.size for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _renamed(tensors: Mapping[str, _T], prefix: str, mask: NDArray[np.bool_]) -> dict[str, _T]:
    """The tensors that stay, under their new names."""
    prefix += "."
    number = {str(old): str(new) for new, old in enumerate(np.flatnonzero(mask))}
    kept: dict[str, _T] = {}
    for name, tensor in tensors.items():
        if not name.startswith(prefix):
            kept[name] = tensor
            continue
        at, dot, rest = name.removeprefix(prefix).partition(".")
        if at == "0" and rest.startswith(f"{ENTRY}."):  # no part of the first block: see core.model.blocks
            kept[name] = tensor
        elif at in number or not at.isdigit():
            kept[prefix + number.get(at, at) + dot + rest] = tensor
    return kept


def _prefix(tensors: dict[str, Header], path: str, layers: int, block: nn.Module | None) -> str:
    """What the names of all blocks' tensors begin with, before the number of the block.

    Files may leave out the front of `path`, or have another one. Blocks past the last one are for other uses, such as
    predicting several tokens at once; no causal model loads them.
    """
    numbers: dict[str, set[int]] = {}
    for name in tensors:
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
    weights = dict(block.named_parameters()) if block is not None else {}
    agreeing = {prefix: _agreeing(tensors, f"{prefix}.0.", weights) for prefix in complete}
    # Of lists inside blocks, such as experts, there may be as many; the list of blocks is outside.
    last = path.rpartition(".")[2]
    return min(complete, key=lambda prefix: (-agreeing[prefix], prefix.rpartition(".")[2] != last, prefix.count(".")))


def _agreeing(tensors: dict[str, Header], prefix: str, weights: dict[str, nn.Parameter]) -> int:
    """How many of a block's weights stand in the files under a prefix; those on the disk are told by shape alone."""
    found = 0
    for name, weight in weights.items():
        tensor = tensors.get(prefix + name)
        if tensor is not None and tensor.shape == tuple(weight.shape):
            found += weight.is_meta or _begins_as(weight, tensor, prefix + name)
    return found


def _begins_as(weight: torch.Tensor, tensor: Header, name: str) -> bool:
    with safe_open(tensor.file, framework="pt") as file:
        first = file.get_slice(name)[:1] if tensor.shape else file.get_tensor(name)
    mine = weight.detach()[:1] if tensor.shape else weight.detach()
    return torch.equal(mine.cpu().float().nan_to_num(), first.to(weight.dtype).float().nan_to_num())


def _write(file: Path, names: Sequence[str], tensors: Mapping[str, Header], values: Mapping[str, torch.Tensor]) -> None:
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
            if name in values:
                target.write(_bytes(values[name], tensor.dtype))
                continue
            with tensor.file.open("rb") as source:
                source.seek(tensor.begin)
                for done in range(0, tensor.size, _PIECE):
                    target.write(source.read(min(_PIECE, tensor.size - done)))


def _bytes(value: torch.Tensor, dtype: str) -> bytes:
    return value.detach().cpu().to(_TYPES[dtype]).contiguous().view(torch.uint8).numpy().tobytes()
