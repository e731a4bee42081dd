"""Rows of data in a file, one after another, each with where it is: lines of JSON, JSON, CSV, Parquet and Arrow."""

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any, BinaryIO

from core.errors import CorpusError
from core.text import columns
from core.text.streams import LONGEST, text_blocks, text_lines

Row = tuple[str, Any]  # where it is ("line 3"), and what is there
_SPACE = " \t\r\n"
_TABLES = {".csv": ",", ".tsv": "\t"}
FORMS = (".jsonl", ".ndjson", ".json", *_TABLES, ".parquet", ".arrow")


def rows(stream: BinaryIO, name: str, form: str, field: str) -> Iterator[Row]:
    """The rows of a file, read as they are asked for.

    Args:
        form: one of FORMS.
        field: the column that is wanted; of Parquet and Arrow no other is read.

    Raises:
        CorpusError: names the line or the row.
    """
    match form:
        case ".json":
            return _json(stream, name)
        case ".csv" | ".tsv":
            return _table(stream, name, _TABLES[form])
        case ".parquet" | ".arrow":
            return _columns(stream, name, form, field)
    return _json_lines(text_lines(stream, name), name)


def _json_lines(lines: Iterator[tuple[int, str]], name: str) -> Iterator[Row]:
    for number, line in lines:
        if line.strip():
            where = f"line {number:,}"
            with _json_errors(where, name, last=not line.endswith("\n")):
                value = json.loads(line)
            yield where, value


def _json(stream: BinaryIO, name: str) -> Iterator[Row]:
    """An array of rows, one row alone, or lines of JSON, as many files named .json hold."""
    blocks = text_blocks(stream, name)
    start = ""
    for block in blocks:
        start += block
        if start.strip(_SPACE):
            break
    start = start.lstrip(_SPACE)
    if start.startswith("["):
        yield from _elements(start[1:], blocks, name)
    elif start:
        yield from _elements(start, blocks, name, between="")


def _elements(buffer: str, blocks: Iterator[str], name: str, between: str = ",") -> Iterator[Row]:
    """Values of JSON one after another, with commas between them up to a bracket, or with nothing."""
    decoder, number, more = json.JSONDecoder(), 0, True
    while True:
        buffer = buffer.lstrip(_SPACE)
        if number and between and buffer.startswith(between):
            buffer = buffer[1:].lstrip(_SPACE)
        if (between and buffer.startswith("]")) or not (buffer or more or between):
            return
        where, end = f"row {number + 1:,}", len(buffer)
        with _json_errors(where, name, last=not more, whole=not more or len(buffer) > LONGEST):
            value, end = decoder.raw_decode(buffer)
        if end < len(buffer) or not more:
            number += 1
            buffer = buffer[end:]
            yield where, value
        else:  # what ends with the buffer may go on in the next block, as a number does
            block = next(blocks, None)
            more = block is not None
            buffer += block or ""


def _table(stream: BinaryIO, name: str, separator: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    reader = csv.DictReader((line for _, line in text_lines(stream, name)), delimiter=separator, strict=True)
    try:
        for row in reader:
            where = f"line {reader.line_num:,}"
            if None in row or None in row.values():
                raise CorpusError(
                    f"Line {reader.line_num:,} of {name} has not as many fields as its first line.",
                    "Put fields that hold separators or ends of lines between quotation marks.",
                )
            yield where, row
    except csv.Error as cause:
        raise CorpusError(
            f"Line {reader.line_num:,} of {name} cannot be read: {cause}.",
            "Put fields that hold separators, quotation marks or ends of lines between quotation marks.",
        ) from cause


def _columns(stream: BinaryIO, name: str, form: str, field: str) -> Iterator[Row]:
    """What a process of its own finds in a column of Parquet or Arrow."""
    command = [sys.executable, str(Path(columns.__file__)), form.removeprefix("."), field, str(LONGEST)]
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    with Popen(command, stdin=stream.fileno(), stdout=PIPE, stderr=DEVNULL, env=environment) as process:
        assert process.stdout is not None
        try:
            for number, line in enumerate(process.stdout, 1):
                found, where = json.loads(line), f"row {number:,}"
                if found.get("end"):
                    return
                if "value" not in found:
                    raise _refused(found, where, name, form, field)
                yield where, {field: found["value"]}
        finally:
            process.kill()
    raise _refused({"error": "it is damaged, or takes more than a GiB to unpack"}, "row 1", name, form, field)


def _refused(found: dict[str, Any], where: str, name: str, form: str, field: str) -> CorpusError:
    if "columns" in found:
        return no_field("row 1", name, field, found["columns"])
    if "holds" in found:
        return no_text(where, name, found["holds"])
    if "long" in found:
        return CorpusError(f"{at(where, name)} is longer than {LONGEST:,} bytes.", "Spread its text over several rows.")
    if "unpacks" in found:
        packed, size, values = found["unpacks"]
        return CorpusError(
            f"{name} unpacks {packed:,} bytes to {size:,} for {values:,} values.", "This is no text: give another file."
        )
    kind = form.removeprefix(".").capitalize()
    return CorpusError(
        f"{name} cannot be read as {kind}: {found['error']}.", f"Give a whole {kind} file, or the text in another form."
    )


def no_text(where: str, name: str, kind: str) -> CorpusError:
    """The error of a value that is neither text nor anything that stands for it."""
    return CorpusError(
        f"{at(where, name)} holds {kind}, not text.",
        "The field must hold text, a list of texts, or messages with a role and a content: --field NAME.",
    )


def at(where: str, name: str) -> str:
    """Where something is, as a sentence begins with it: Line 3 of a.jsonl."""
    return f"{where[:1].upper()}{where[1:]} of {name}"


def no_field(where: str, name: str, field: str, there: Any) -> CorpusError:
    """The error of a row without the field that is wanted, with those that it has."""
    names = [str(other)[:40] for other in list(there)[:12]]
    return CorpusError(
        f"{at(where, name)} has no field {field}; it has {', '.join(names) or 'none'}.",
        f"Name the field that holds the text: --field {names[0] if names else 'NAME'}.",
    )


def field_of(row: Any, field: str, where: str, name: str) -> Any:
    """What a row holds in a field; a row that is text itself has none."""
    if isinstance(row, str) and field == "text":
        return row
    if not isinstance(row, Mapping):
        raise CorpusError(
            f"{at(where, name)} is no object with fields, but {type(row).__name__}.",
            "Name the file .json: there, arrays of rows are read."
            if isinstance(row, list)
            else "Give rows with fields.",
        )
    if field not in row:
        raise no_field(where, name, field, row)
    return row[field]


@contextmanager
def _json_errors(where: str, name: str, *, last: bool, whole: bool = True) -> Iterator[None]:
    """CorpusError for what is no JSON; nothing where it is not the whole of a value yet."""
    try:
        yield
    except RecursionError as cause:
        raise CorpusError(f"{at(where, name)} is nested too deep.", "Give rows of plain fields.") from cause
    except ValueError as cause:
        if not whole:
            return
        if last and _ends_early(cause):
            raise CorpusError(
                f"{at(where, name)} is cut off: the file ends in the middle of it.",
                "Write or download the file again, or delete what is left of that row.",
            ) from cause
        raise CorpusError(
            f"{at(where, name)} is no JSON: {cause}.",
            "Write one JSON value for each row, as `json.dumps` does.",
        ) from cause


def _ends_early(cause: ValueError) -> bool:
    """Whether JSON was right as far as it went."""
    return isinstance(cause, json.JSONDecodeError) and (
        cause.pos >= len(cause.doc.rstrip()) or cause.msg.startswith("Unterminated")
    )
