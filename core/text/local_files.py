"""Corpora that lie on this machine: files of every form, and folders that `datasets` saved."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import CorpusError
from core.text.documents import CHARACTERS, check_text
from core.text.rows import FORMS, Row, field_of, rows
from core.text.streams import check_regular, form_of, opened, reading, text_blocks

PLAIN = (".txt", ".text", ".md", ".raw", ".tokens")
KINDS = (*PLAIN, *FORMS[:-1])  # as errors list them; Arrow files come in folders
_STATE = 2**20  # bytes of what `datasets` says of a saved folder


def file_values(file: Path, field: str) -> Iterator[Row]:
    """The texts, or what a field holds, of a file or of a saved folder, with where each is.

    Raises:
        CorpusError: names the file, and the line or row where there is one.
    """
    if file.is_dir():
        for part in saved_parts(file):
            with reading(part.name), opened(part) as stream:
                yield from within(part.name, stream_values(stream, part.name, field))
        return
    check_regular(file, file.stat().st_mode)
    with reading(file.name), opened(file) as stream:
        yield from stream_values(stream, file.name, field)


def stream_values(stream: BinaryIO, name: str, field: str) -> Iterator[Row]:
    """The same of a file that is open; its name says its form."""
    form = form_of(name)
    if form in PLAIN:
        if field:
            raise CorpusError(f"{name} is plain text and has no field {field}.", "Leave --field out.")
        yield "the text", _whole(stream, name)
        return
    if form not in FORMS:
        raise CorpusError(f"{name} is of a kind that cannot be read.", f"Use a file ending in {', '.join(KINDS)}.")
    wanted = field or "text"
    for where, row in rows(stream, name, form, wanted):
        yield where, field_of(row, wanted, where, name)


def within(name: str, values: Iterator[Row]) -> Iterator[Row]:
    """Values of one file among several, with its name in where each is."""
    return ((f"{where} of {name}", value) for where, value in values)


def saved_parts(folder: Path) -> list[Path]:
    """The Arrow files of a folder that `datasets` saved.

    Raises:
        CorpusError: another folder, or one whose files lie elsewhere.
    """
    named = _saved_object(folder, "state.json").get("_data_files")
    names = [part.get("filename") for part in named if isinstance(part, dict)] if isinstance(named, list) else []
    if not names or not all(isinstance(name, str) and name == Path(name).name for name in names):
        raise _not_saved(folder)
    return [folder / str(name) for name in names]


def saved_splits(folder: Path) -> list[str]:
    """The splits of a folder that `datasets` saved with several of them; none where it holds one data set."""
    if not (folder / "dataset_dict.json").is_file():
        return []
    named = _saved_object(folder, "dataset_dict.json").get("splits")
    if not isinstance(named, list) or not all(isinstance(name, str) and name == Path(name).name for name in named):
        raise _not_saved(folder)
    return named


def file_stamp(file: Path) -> tuple[int, int]:
    """Bytes and time of a file, or of all in a folder: they change when the text does. OSError where it is gone."""
    status = [file.stat(), *(entry.stat() for entry in (os.scandir(file) if file.is_dir() else ()))]
    return sum(one.st_size for one in status), max(one.st_mtime_ns for one in status)


def _saved_object(folder: Path, name: str) -> dict[str, Any]:
    try:
        with opened(folder / name) as stream:
            found = json.loads(stream.read(_STATE))
    except (OSError, ValueError, RecursionError, CorpusError) as cause:
        raise _not_saved(folder) from cause
    if not isinstance(found, dict):
        raise _not_saved(folder)
    return found


def _not_saved(folder: Path) -> CorpusError:
    return CorpusError(
        f"{folder} is a folder, and no data set that `datasets` saved.",
        "Give a file of text, or a folder that save_to_disk wrote.",
    )


def _whole(stream: BinaryIO, name: str) -> str:
    """Plain text, up to a little more than is used of any corpus."""
    parts, length, lines = [], 0, 1
    for block in text_blocks(stream, name):
        if "\0" in block:
            check_text("\0", f"line {lines + block[: block.index(chr(0))].count(chr(10)):,}", name)
        parts.append(block)
        length += len(block)
        lines += block.count("\n")
        if length > CHARACTERS:
            break
    return "".join(parts)
