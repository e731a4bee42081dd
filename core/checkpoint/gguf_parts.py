"""Which GGUF files are one model, and one file of them.

A large model is split: each part says which one it is and how many there are, and the first has all the keys.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from core.checkpoint.gguf_header import GgufHeader, read_header
from core.errors import ModelNotFound, UnsupportedModel

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)
# Elements of a vocabulary's lists for which no tensor needs to stand, and what a count of a layer's parts may be.
_LISTED, _COUNT = 50_000, 10_000
OTHERS = "Use the model's safetensors version, or a GGUF file of a common family such as Llama, Qwen2 or Mistral."
_PIECE = 2**24  # bytes in memory while parts are put together


def parts_of(path: Path) -> tuple[GgufHeader, ...]:
    """All parts of the model that a file belongs to, or that a folder holds, in their order; one, where it is whole.

    Raises:
        ModelNotFound: a folder with several models.
        UnsupportedModel: a part that cannot be read, is missing, is there twice, or belongs to another model.
    """
    if not path.is_dir():
        return _complete(read_header(path))
    files = sorted(path.glob("*.gguf"))
    first = read_header(files[0])
    found = _complete(first) if len(files) == 1 or first.part or _PART.fullmatch(files[0].name) else ()
    if len(found) < len(files):
        raise ModelNotFound(f"{path} holds {len(files)} GGUF files.", "Name one of them: --model FOLDER/FILE.gguf.")
    return found


def check_counts(parts: Sequence[GgufHeader]) -> None:
    """UnsupportedModel for counts that no tensors stand behind: what reads the file next makes lists of them."""
    tensors = [tensor for part in parts for tensor in part.tensors]
    widest = max((size for tensor in tensors for size in tensor.shape), default=0)
    if parts[0].listed > 8 * widest + _LISTED:
        raise UnsupportedModel(
            f"{parts[0].file.name} lists {parts[0].listed:,} tokens, merges and their like, and its widest tensor has "
            f"{widest:,} rows or columns.",
            OTHERS,
        )
    for key, value in parts[0].values.items():
        most = len(tensors) if key.endswith(".block_count") else _COUNT
        if key.endswith("_count") and isinstance(value, int) and not 0 <= value <= most:
            raise UnsupportedModel(
                f"{parts[0].file.name} asks for {key}: {value}, and holds {len(tensors)} tensors.", OTHERS
            )


def merge(parts: Sequence[GgufHeader], out: Path) -> None:
    """Writes one file with the keys of the first part and the tensors of all, piece by piece."""
    first = parts[0]
    tensors = [(part, tensor) for part in parts for tensor in part.tensors]
    table, end = bytearray(), 0
    for _, tensor in tensors:
        name = tensor.name.encode()
        table += len(name).to_bytes(8, "little") + name + len(tensor.shape).to_bytes(4, "little")
        table += b"".join(size.to_bytes(8, "little") for size in tensor.shape)
        table += tensor.type.to_bytes(4, "little") + end.to_bytes(8, "little")
        end = _aligned(end + tensor.size, first.alignment)
    with out.open("wb") as target:
        target.write(b"GGUF" + first.version.to_bytes(4, "little"))
        target.write(len(tensors).to_bytes(8, "little") + first.keys.to_bytes(8, "little"))
        with first.file.open("rb") as source:
            source.seek(first.begin)
            target.write(source.read(first.end - first.begin))
        target.write(table)
        for part, tensor in tensors:
            target.write(bytes(_aligned(target.tell(), first.alignment) - target.tell()))
            with part.file.open("rb") as source:
                source.seek(tensor.begin)
                for done in range(0, tensor.size, _PIECE):
                    target.write(source.read(min(_PIECE, tensor.size - done)))
        target.write(bytes(_aligned(target.tell(), first.alignment) - target.tell()))


def _complete(header: GgufHeader) -> tuple[GgufHeader, ...]:
    """A file with the other parts beside it."""
    named = _PART.fullmatch(header.file.name)
    if header.part is None:
        if named is not None and int(named["count"]) > 1:
            raise UnsupportedModel(
                f"{header.file.name} is named as a part of a model, and its header does not say which.",
                "Split the model again with llama.cpp's gguf-split, or rename the file if it is a whole model.",
            )
        return (header,)
    _, count, tensors = header.part
    by_number: dict[int, GgufHeader] = {}
    for file in _siblings(header.file, count):
        other = read_header(file)
        if named is None and (other.part is None or other.part[1:] != header.part[1:]):
            continue  # another model in the folder
        _check_kin(header, other)
        number = other.part[0] if other.part else 0
        if number in by_number:
            raise UnsupportedModel(
                f"Part {number + 1} of {count} is there twice: {by_number[number].file.name} and {file.name}.",
                "Keep the one that belongs to the other parts.",
            )
        by_number[number] = other
    for number in range(count):
        if number not in by_number:
            name = f"{named['stem']}-{number + 1:05d}-of-{count:05d}.gguf" if named else f"with split.no {number}"
            raise UnsupportedModel(
                f"{header.file.name} is one of {count} parts, and part {number + 1} is missing: {name}.",
                "Download all parts into one folder.",
            )
    parts = tuple(by_number[number] for number in range(count))
    _check_tensors(parts, tensors)
    return parts


def _check_tensors(parts: tuple[GgufHeader, ...], tensors: int) -> None:
    """UnsupportedModel where the parts together do not hold the tensors that each says they have, each once."""
    held = sum(len(part.tensors) for part in parts)
    if held != tensors:
        raise UnsupportedModel(
            f"The {len(parts)} parts of {parts[0].file.name} hold {held} tensors; together they should have {tensors}.",
            "Download all parts again: some are of another model.",
        )
    owners: dict[str, str] = {}
    for part in parts:
        for tensor in part.tensors:
            if tensor.name in owners:
                raise UnsupportedModel(
                    f"{tensor.name} is in {owners[tensor.name]} and in {part.file.name}.",
                    "Download all parts again: they are not of one model.",
                )
            owners[tensor.name] = part.file.name


def _siblings(file: Path, count: int) -> list[Path]:
    """The files that may be parts beside a part: those of its name, or any if it has been renamed."""
    named = _PART.fullmatch(file.name)
    if named is None:
        return sorted(file.parent.glob("*.gguf"))
    files = [file.with_name(f"{named['stem']}-{number:05d}-of-{named['count']}.gguf") for number in range(1, count + 1)]
    return [one for one in files if one.exists()]


def _check_kin(header: GgufHeader, other: GgufHeader) -> None:
    """UnsupportedModel where one is no part of the model that the other is a part of."""
    kinds = {str(one.values["general.architecture"]) for one in (header, other) if "general.architecture" in one.values}
    if other.part is None or header.part is None or other.part[1:] != header.part[1:] or len(kinds) > 1:
        raise UnsupportedModel(
            f"{other.file.name} belongs to another model than {header.file.name}: their headers differ in the number "
            "of parts or tensors, or in the architecture.",
            "Put the parts of one model into a folder of their own.",
        )


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
