"""Files of text as bytes and as lines: regular files alone, unpacked as they are read, in UTF-8."""

import codecs
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from core.errors import CorpusError

LONGEST = 2**24  # bytes of a line or an entry of JSON, and characters of a field
_BLOCK = 2**20
PACKED = (".gz", ".zst")
_WINDOW = 2**27  # bytes that zstd may look back: what `zstd --long` writes, and no more
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def form_of(name: str) -> str:
    """The ending that says what a file holds, in lower case, without that of how it is packed: `A.JSON.GZ` is .json."""
    endings = [ending.lower() for ending in Path(name).suffixes]
    if endings and endings[-1] in PACKED:
        endings.pop()
    return endings[-1] if endings else ""


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A regular file, unpacked where its name says that it is packed.

    Raises:
        CorpusError: a pipe, a socket, a device, or a folder: reading one might never end.
    """
    check_regular(file, file.stat().st_mode)
    # What a file is may change after it was looked at; and one of /proc waits for ever unless told not to.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as raw:  # noqa: PTH123 - a descriptor has no path
        check_regular(file, os.fstat(descriptor).st_mode)
        yield unpacked(raw, file.name)


def check_regular(file: Path, mode: int) -> None:
    """CorpusError for anything but a regular file, by what it is."""
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise CorpusError(
            f"{file} is {kind}, not a file of text.", "Give a regular file, or a saved data set's folder."
        )


def unpacked(raw: IO[bytes], name: str) -> BinaryIO:
    """A stream of what a packed file holds, or the file itself."""
    if name.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if name.lower().endswith(".zst"):
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(raw, read_across_frames=True)
        return io.BufferedReader(reader)
    return cast(BinaryIO, raw)


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Turns the failures of unpacking a file into CorpusError."""
    try:
        yield
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as cause:
        raise CorpusError(
            f"{name} is packed wrongly, or cut off: {str(cause) or type(cause).__name__}.",
            "Download or pack the file again.",
        ) from cause


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns the failures of reading and unpacking a file into CorpusError."""
    try:
        with unpacking(name):
            yield
    except OSError as cause:
        raise CorpusError(
            f"{name} cannot be read: {cause.strerror or cause}.", "Give a regular file that you may read."
        ) from cause


def text_blocks(stream: BinaryIO, name: str) -> Iterator[str]:
    """The text of a file in blocks, its ends of lines as \\n, without a byte order mark; CorpusError names a line."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=True)
    lines, block = 1, b"-"
    while block:
        block = stream.read(_BLOCK) or b""
        try:
            yield decoder.decode(block, final=not block)
        except UnicodeDecodeError as cause:
            raise _not_utf8(name, lines + cause.object[: cause.start].count(b"\n"), cause) from cause
        lines += block.count(b"\n")


def text_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file, counted from 1, each with its end as \\n; CorpusError names a line."""
    for number in count(1):
        line = stream.readline(LONGEST + 1)
        if not line:
            return
        if len(line) > LONGEST:
            raise CorpusError(
                f"Line {number:,} of {name} is longer than {LONGEST:,} bytes.", "Spread its text over several rows."
            )
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as cause:
            raise _not_utf8(name, number, cause) from cause
        yield number, text.removesuffix("\r\n") + "\n" if text.endswith("\r\n") else text


def _not_utf8(name: str, line: int, cause: UnicodeDecodeError) -> CorpusError:
    found = cause.object[cause.start : cause.start + 1]
    marked = line == 1 and cause.start == 0 and cause.object[:2] in (b"\xff\xfe", b"\xfe\xff")
    return CorpusError(
        f"Line {line:,} of {name} is not UTF-8: "
        + ("it begins with the mark of UTF-16." if marked else f"it holds the byte 0x{found.hex()}."),
        f"Convert it: iconv -f {'UTF-16' if marked else 'LATIN1'} -t UTF-8 FILE > NEW.",
    )
