"""The headers of GGUF files, read within bounds before anything else opens a file: others believe every count in it.

The format: magic, version, counts; keys with values; tensors by name, size, type and offset; their bytes, aligned
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

import stat
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from core.errors import UnsupportedModel

_WIDTHS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Elements of all arrays together: vocabularies have 260,000 tokens, each with a score, a type and a merge; bytes of
# the whole header, of which those take some 20 MB; dimensions of a tensor.
_ELEMENTS, _BYTES, _DIMENSIONS = 2_000_000, 2**26, 4
# Of a file's size, what must lie on the disk, where it is large: most of an unfinished download is a hole.
_FILLED, _LARGE = 0.25, 2**26


@dataclass(frozen=True)
class PackedTensor:
    """One tensor of a file."""

    name: str
    shape: tuple[int, ...]  # the fastest dimension first
    type: int  # of the format's
    begin: int  # of its bytes, from the start of the file
    size: int  # bytes

    @property
    def elements(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """What a file says of itself."""

    file: Path
    version: int
    keys: int
    begin: int  # of the keys, from the start of the file
    end: int
    values: dict[str, int | float | str]  # of keys that have one; of arrays there are none
    lists: dict[str, int]  # how many elements each array has
    tensors: tuple[PackedTensor, ...]

    @property
    def listed(self) -> int:
        """Elements of all arrays."""
        return sum(self.lists.values())

    @property
    def alignment(self) -> int:
        """Bytes, of which every tensor begins at a multiple."""
        return int(self.values.get("general.alignment", 32))

    @property
    def part(self) -> tuple[int, int, int] | None:
        """Which part of how many this is, from 0, and how many tensors all have; None for a whole model."""
        number, count = self.values.get("split.no", 0), self.values.get("split.count", 1)
        return (int(number), int(count), int(self.values.get("split.tensors.count", -1))) if int(count) > 1 else None


def read_header(file: Path) -> GgufHeader:
    """The header of a file, or UnsupportedModel: no regular file, cut off, or with counts that exceed it."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > _LARGE and found.st_blocks * 512 < _FILLED * found.st_size:
            raise ValueError("most of it is a hole: it has not been downloaded whole")
        with file.open("rb") as content:
            return _Reader(content, found.st_size).header(file)
    except (OSError, ValueError, KeyError, struct.error) as cause:
        raise UnsupportedModel(
            f"{file.name} is a GGUF file that transformers cannot read: {str(cause).strip()[:200]}.",
            "Download or copy the file again.",
        ) from cause


class _Reader:
    """Reads a header; ValueError for what cannot be one."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self._content, self._size, self._at = content, size, 0
        self._lists: dict[str, int] = {}

    def header(self, file: Path) -> GgufHeader:
        if self._bytes(4) != b"GGUF":
            raise ValueError("it does not begin as one")
        version = self._number("I")
        if version not in (2, 3):
            raise ValueError(f"it is of version {version}")
        tensors, keys = self._number("Q"), self._number("Q")
        if keys * 13 + tensors * 24 > self._size:
            raise ValueError(f"it announces {keys:,} keys and {tensors:,} tensors in {self._size:,} bytes")
        begin, values = self._at, {}
        names: set[str] = set()
        for _ in range(keys):
            name = self._text()
            if name in names:
                raise ValueError(f"it has the key {name[:100]} twice")
            names.add(name)
            value = self._value(name)
            if value is not None:
                values[name] = value
        end = self._at
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 8 <= alignment <= 2**20 or alignment & (alignment - 1):
            raise ValueError(f"its alignment is {alignment}")
        for key in ("split.no", "split.count", "split.tensors.count"):
            if not isinstance(values.get(key, 0), int):
                raise ValueError(f"{key} is no number")
        described = [self._tensor() for _ in range(tensors)]
        start = -(-self._at // alignment) * alignment
        found: dict[str, PackedTensor] = {}
        for name, shape, kind, offset in described:
            block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
            tensor = PackedTensor(name, shape, kind, start + offset, prod(shape) // block * width)
            if name in found or shape[0] % block or tensor.begin + tensor.size > self._size:
                problem = "is there twice" if name in found else f"of shape {list(shape)} does not fit into the file"
                raise ValueError(f"the tensor {name[:100]} {problem}")
            found[name] = tensor
        return GgufHeader(file, version, keys, begin, end, values, self._lists, tuple(found.values()))

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._text(), self._number("I")
        if not 1 <= dimensions <= _DIMENSIONS:
            raise ValueError(f"the tensor {name[:100]} has {dimensions} dimensions")
        shape = tuple(self._number("Q") for _ in range(dimensions))
        return name, shape, self._number("I"), self._number("Q")

    def _value(self, key: str) -> int | float | str | None:
        kind = self._number("I")
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._plain(kind, key)
        inner, count = self._number("I"), self._number("Q")
        if inner != _STRING and inner not in _WIDTHS:
            raise ValueError(f"the array {key[:100]} has elements of type {inner}")
        self._lists[key] = count
        if sum(self._lists.values()) > _ELEMENTS:
            raise ValueError(f"the array {key[:100]} has {count:,} elements")
        if inner != _STRING:
            self._bytes(count * struct.calcsize(f"<{_WIDTHS[inner]}"))
        else:
            for _ in range(count):
                self._bytes(self._number("Q"))
        return None

    def _plain(self, kind: int, key: str) -> int | float:
        if kind not in _WIDTHS:
            raise ValueError(f"the key {key[:100]} has a value of type {kind}")
        found: int | float = struct.unpack(f"<{_WIDTHS[kind]}", self._bytes(struct.calcsize(f"<{_WIDTHS[kind]}")))[0]
        return found

    def _number(self, form: str) -> int:
        return int(struct.unpack(f"<{form}", self._bytes(struct.calcsize(f"<{form}")))[0])

    def _text(self) -> str:
        return self._bytes(self._number("Q")).decode()

    def _bytes(self, count: int) -> bytes:
        """The next bytes; the file is asked for no more than it has."""
        if self._at + count > min(self._size, _BYTES):
            raise ValueError("it is cut off, or its header is longer than the file")
        self._at += count
        return self._content.read(count)
