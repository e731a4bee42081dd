"""A column of a Parquet or Arrow file, as lines of JSON on standard output: a program of its own, with a limit.

A damaged file can end the process that reads it, and a small one can unpack to gigabytes; neither must happen to the
holder of a model. It imports nothing of ours, so that it starts at once.

    python columns.py parquet|arrow FIELD LONGEST < FILE

A line is {"value": …}, {"holds": type}, or the last one: {"end": true}, {"columns": […]} without the field,
{"error": …}, {"long": bytes} or {"unpacks": [bytes, bytes, values]}.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

_MEMORY, _SECONDS = 2**30, 120
_BATCH = 64  # rows of Parquet that are unpacked at once
_UNPACKED, _THOUSANDFOLD = 2**27, 1000  # bytes from which on a column's packing is looked at, and what is too much


def main(form: str, field: str, longest: int) -> dict[str, Any]:
    """Writes the values, and gives the last line."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        for line in (_parquet if form == "parquet" else _arrow)(sys.stdin.buffer, field, longest):
            text = json.dumps(line)
            if len(text) > 8 * longest:
                return {"long": len(text)}
            sys.stdout.write(text + "\n")
            if not {"value", "holds"} & set(line):
                return {"end": True}
    except (pa.ArrowException, OSError, ValueError, MemoryError, RecursionError) as cause:
        return {"error": (str(cause).splitlines() or [type(cause).__name__])[0][:200].rstrip(".")}
    return {"end": True}


def _parquet(stream: BinaryIO, field: str, longest: int) -> Iterator[dict[str, Any]]:
    file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20)
    if field not in file.schema_arrow.names:
        yield {"columns": list(file.schema_arrow.names)}
        return
    groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    for chunk in (group.column(index) for group in groups for index in range(group.num_columns)):
        size, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
        # No text packs a thousandfold, and its values are no longer than are read.
        much = (size > _UNPACKED and size > _THOUSANDFOLD * packed) or size > longest * max(1, chunk.num_values)
        if chunk.path_in_schema.split(".")[0] == field and much:
            yield {"unpacks": [packed, size, chunk.num_values]}
            return
    kind = file.schema_arrow.field(field).type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        # A dictionary stays one: a value that a thousand rows share is unpacked once.
        stream.seek(0)
        file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20, read_dictionary=[field])
    # One row of lists may refer to one long value a thousand times.
    size = 1 if pa.types.is_nested(kind) else _BATCH
    yield from _values(file.iter_batches(size, columns=[field], use_threads=False), field, longest)


def _arrow(stream: BinaryIO, field: str, longest: int) -> Iterator[dict[str, Any]]:
    reader = pa.ipc.open_stream(stream)
    if field not in reader.schema.names:
        yield {"columns": list(reader.schema.names)}
        return
    yield from _values(iter(reader), field, longest)


def _values(batches: Iterator[pa.RecordBatch], field: str, longest: int) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for value in batch.column(field):
            text = value.value if isinstance(value, pa.DictionaryScalar) else value
            if text is not None and hasattr(text, "as_buffer") and text.is_valid and text.as_buffer().size > longest:
                yield {"long": text.as_buffer().size}
                return
            plain = None if text is None else text.as_py()
            yield {"value": plain} if _is_json(plain) else {"holds": type(plain).__name__}


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    return value is None or isinstance(value, str | int | float)


if __name__ == "__main__":
    last = main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    sys.stdout.write(json.dumps(last) + "\n")
