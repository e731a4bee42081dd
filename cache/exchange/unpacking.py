"""A file of evaluations, unpacked into an Arrow stream on standard output: a program of its own, with a limit.

A small file may unpack to gigabytes, whatever its footer says of that, and a damaged one may end the process that reads
it; neither must happen to the server. It imports nothing of ours, so that it starts at once.

    python unpacking.py < FILE

The first line is JSON: {} before the stream, or {"refused": message, "hint": what to do, if that is known} alone.
"""

import contextlib
import json
import sys
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

METADATA = b"quorum"
SCHEMA = pa.schema(
    [
        pa.field("mask", pa.string()),
        pa.field("losses", pa.list_(pa.float32())),
        pa.field("kl", pa.list_(pa.float32())),
    ]
)
_MEMORY, _SECONDS = 2**30, 120
# No run measures more than a million coalitions.
_MOST_ROWS, _MOST_NUMBERS, _MOST_BYTES, _MOST_METADATA = 2**21, 2**25, 2**28, 2**22


class Refused(Exception):
    """What is wrong with a file, and what to do about it where that is not to write it again."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def main() -> None:
    """Answers on standard output."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    answer: dict[str, Any] = {}
    try:
        table = _read(pa.py_buffer(sys.stdin.buffer.read()))
    except Refused as refusal:
        answer = {"refused": str(refusal), "hint": refusal.hint}
    except (pa.ArrowException, OSError, ValueError) as cause:
        answer = {"refused": f"This is no Parquet file: {(str(cause).splitlines() or [''])[0][:200]}", "hint": ""}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    if not answer:
        with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
            stream.write_table(table)


def _read(content: pa.Buffer) -> pa.Table:
    found = pq.ParquetFile(pa.BufferReader(content))
    _check_size(found.metadata)
    _check_schema(found.schema_arrow)
    about = (found.schema_arrow.metadata or {}).get(METADATA, b"")
    if len(about) > _MOST_METADATA:
        raise _too_large(f"{len(about):,} bytes of metadata", f"{_MOST_METADATA:,}")
    # A dictionary stays one: a value that a million rows share would be unpacked a million times.
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=["mask"])
    table = file.read(SCHEMA.names, use_threads=False)
    _check_length(table["mask"])
    if not table.num_rows:
        raise Refused("The file holds no evaluation.")
    columns = [table[field.name].cast(field.type) for field in SCHEMA]
    return pa.table(columns, schema=SCHEMA.with_metadata({METADATA: about}))


def _check_schema(found: pa.Schema) -> None:
    for field in SCHEMA:
        if field.name not in found.names:
            names = ", ".join(name[:40] for name in found.names[:12])
            raise Refused(f"The column {field.name} is missing; there are {names or 'none'}.")
        kind = found.field(field.name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if kind != field.type:
            raise Refused(f"The column {field.name} is {str(kind)[:200]}, not {field.type}.")


def _check_length(masks: pa.ChunkedArray) -> None:
    """Before masks are written out, row by row: their values may be few, and long."""
    size = 0
    for chunk in masks.chunks:
        encoded = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
        lengths = pc.binary_length(encoded.dictionary).cast(pa.int64())
        size += pc.sum(lengths.take(encoded.indices)).as_py() or 0
    if size > _MOST_BYTES:
        raise _too_large(f"its masks have {size:,} characters when unpacked", f"{_MOST_BYTES:,}")


def _check_size(footer: pq.FileMetaData) -> None:
    """Before anything is unpacked: what the footer says of that."""
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    numbers = sum(group.column(index).num_values for group in groups for index in range(group.num_columns))
    size = sum(group.total_byte_size for group in groups)
    if footer.num_rows > _MOST_ROWS or numbers > _MOST_NUMBERS or size > _MOST_BYTES:
        raise _too_large(
            f"{footer.num_rows:,} rows, {numbers:,} values, {size:,} bytes when unpacked",
            f"{_MOST_ROWS:,} rows, {_MOST_NUMBERS:,} values and {_MOST_BYTES:,} bytes",
        )


def _too_large(found: str, most: str) -> Refused:
    return Refused(f"The file is too large: {found}.", f"At most {most} are read.")


if __name__ == "__main__":
    main()
