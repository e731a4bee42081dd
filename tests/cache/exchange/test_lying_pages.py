"""Parquet files whose footers say little and whose pages unpack to gigabytes, or say so: refused within bounds.

The files are written here by hand, as https://parquet.apache.org/docs/file-format/ has them: no library writes such.
"""

import gzip
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

SNAPPY, GZIP, ZSTD = 1, 2, 6
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
FAR = 2**31 - 1
INT, LONG, BYTES, LIST, STRUCT = 5, 6, 8, 9, 12  # types of Thrift's compact protocol

READERS = """
import json, resource, sys
from pathlib import Path
from cache.database import Database
from cache.exchange.parquet import import_evaluations
from core.errors import QuorumError
from core.text.corpora import read
for name in sys.argv[2:]:
    try:
        if "text" in Path(name).name:
            read(name, "whole")
        else:
            import_evaluations(Database(Path(sys.argv[1])), Path(name).read_bytes())
        said = "read"
    except QuorumError as error:
        said = error.message
    print(json.dumps([name, said]))
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def thrift(kind: int, value: Any) -> bytes:
    """A value: of a struct the fields as {id: (type, value)}, of a list (type of its items, items)."""
    if kind in (INT, LONG):
        return varint(value << 1)
    if kind == BYTES:
        return varint(len(value)) + value
    if kind == LIST:
        of, items = value
        return bytes([0xF0 | of]) + varint(len(items)) + b"".join(thrift(of, item) for item in items)
    found, last = b"", 0
    for number, (of, item) in value.items():
        found, last = found + bytes([number - last << 4 | of]) + thrift(of, item), number
    return found + b"\0"


def packed(codec: int, bomb: bool) -> tuple[bytes, int]:
    """A page's content as it stands in the file, and the size that its header gives for it, unpacked."""
    start = struct.pack("<I", FAR - 4) + b"tale"
    if codec == SNAPPY:  # it begins with the size; what follows is one literal
        return varint(FAR) + bytes([len(start) - 1 << 2]) + start, FAR
    if not bomb:
        return (gzip.compress(start) if codec == GZIP else zstandard.compress(start)), FAR
    block, count = 2**24, 40 if codec == GZIP else 100
    if codec == ZSTD:  # frames one after another are one content
        return zstandard.compress(start + bytes(block - len(start))) + zstandard.compress(bytes(block)) * (
            count - 1
        ), count * block
    packer = zlib.compressobj(1, wbits=31)
    parts = [
        packer.compress(start + bytes(block - len(start))),
        *(packer.compress(bytes(block)) for _ in range(1, count)),
    ]
    return b"".join([*parts, packer.flush()]), count * block


def page(kind: int, codec: int, bomb: bool) -> bytes:
    content, size = packed(codec, bomb)
    about: dict[int, Any] = {
        DATA: {5: (STRUCT, {1: (INT, 1), 2: (INT, 0), 3: (INT, 3), 4: (INT, 3)})},
        DICTIONARY: {7: (STRUCT, {1: (INT, 1), 2: (INT, 0)})},
        DATA_V2: {8: (STRUCT, {1: (INT, 1), 2: (INT, 0), 3: (INT, 1), 4: (INT, 0), 5: (INT, 0), 6: (INT, 0)})},
    }[kind]
    return thrift(STRUCT, {1: (INT, kind), 2: (INT, size), 3: (INT, len(content)), **about}) + content


def forged(kind: int, codec: int, bomb: bool, *, text: bool) -> bytes:
    """A file whose first column, text or masks, has one such page; the footer says that it has a thousand bytes."""
    content = b"PAR1" + page(kind, codec, bomb)
    columns = [[b"text"]] if text else [[b"mask"], [b"losses", b"list", b"element"], [b"kl", b"list", b"element"]]
    schema: list[dict[int, Any]] = [{4: (BYTES, b"schema"), 5: (INT, len(columns))}]
    chunks = []
    for path in columns:
        leaf = {1: (INT, 6 if len(path) == 1 else 4), 3: (INT, 0 if len(path) == 1 else 1), 4: (BYTES, path[-1])}
        if len(path) == 1:
            schema.append({**leaf, 6: (INT, 0)})  # UTF-8
        else:
            schema += [
                {3: (INT, 1), 4: (BYTES, path[0]), 5: (INT, 1), 6: (INT, 3)},  # a list
                {3: (INT, 2), 4: (BYTES, path[1]), 5: (INT, 1)},
                leaf,
            ]
        about = {
            1: (INT, 6 if len(path) == 1 else 4),
            2: (LIST, (INT, [0, 3])),
            3: (LIST, (BYTES, path)),
            4: (INT, codec),
            5: (LONG, 1),
            6: (LONG, 1000),
            7: (LONG, len(content) - 4),
            9: (LONG, 4),
            **({11: (LONG, 4)} if kind == DICTIONARY else {}),
        }
        chunks.append({2: (LONG, 4), 3: (STRUCT, about)})
    group = {1: (LIST, (STRUCT, chunks)), 2: (LONG, 1000), 3: (LONG, 1)}
    footer = {1: (INT, 2), 2: (LIST, (STRUCT, schema)), 3: (LONG, 1), 4: (LIST, (STRUCT, [group]))}
    end = thrift(STRUCT, footer)
    return content + end + struct.pack("<I", len(end)) + b"PAR1"


def every() -> Iterator[tuple[str, bytes]]:
    for text in (True, False):
        for kind in (DATA, DICTIONARY, DATA_V2):
            for codec, bomb in ((ZSTD, True),) if kind == DATA_V2 else ((SNAPPY, False), (GZIP, False), (ZSTD, True)):
                name = f"{'text' if text else 'masks'} {kind} {codec} {bomb}.parquet"
                yield name, forged(kind, codec, bomb, text=text)
    yield "text gzip.parquet", forged(DATA, GZIP, True, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_pages_larger_than_the_footer_says(tmp_path: Path) -> None:
    files = [tmp_path / name for name, content in every() if (tmp_path / name).write_bytes(content)]
    done = subprocess.run(
        [sys.executable, "-c", READERS, tmp_path / "results.duckdb", *files],
        capture_output=True,
        text=True,
        check=True,
        timeout=400,
    )
    *lines, memory = done.stdout.splitlines()
    assert len(lines) == len(files) == 15
    for name, said in map(json.loads, lines):
        assert said.startswith(f"{Path(name).name} cannot be read as Parquet") or (
            "mask" in name and said.startswith(("The file is damaged", "This is no Parquet file"))
        ), (name, said)
    own, child = (int(kibibytes) * 1024 for kibibytes in memory.split())
    assert own < 2**29 and child < 2**30 + 2**27
