"""Where Quorum keeps what it makes, and the errors of writing there."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import BadPath, DiskFull, NotWritable, QuorumError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRITTEN = "self:"  # before a file of prompts (core.text.self_written)
_NUMBER = re.compile(r"\(os error (\d+)\)")


def home() -> Path:
    """The folder of results and prepared models: $QUORUM_HOME, or ~/.quorum."""
    return Path(os.environ.get("QUORUM_HOME") or "~/.quorum").expanduser().resolve()


def user_path(text: str | Path) -> Path:
    """The path that a user typed, with ~ expanded, or BadPath: no such user, or a name that no system takes."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as cause:
        raise BadPath(f"{str(text)[:100]} is no usable path: {cause}.", "Give the path of a file or folder.") from cause
    return path


def is_there(file: Path) -> bool:
    """Whether a file is there whose name somebody else wrote; one with a name that no system takes is not."""
    try:
        return file.is_file()
    except OSError:
        return False


def own_name(text: str) -> str:
    """What others may read of a name that a user gave: of a path on this machine its last part, else all of it."""
    if text.startswith(_WRITTEN):
        return _WRITTEN + own_name(text.removeprefix(_WRITTEN))
    last = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return last if re.match(r"[/\\~.]|[A-Za-z]:[/\\]", text) and last else text


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns the failures of writing `path` into DiskFull and NotWritable."""
    try:
        yield
    except QuorumError:
        raise
    except OSError as cause:
        raise write_error(path, cause) from cause
    except Exception as cause:  # libraries in Rust have errors of their own, with the system's number in the text
        number = _NUMBER.search(str(cause))
        if number is None:
            raise
        raise write_error(path, OSError(int(number[1]), os.strerror(int(number[1])))) from cause


def write_error(path: Path, cause: OSError) -> DiskFull | NotWritable:
    """The named error behind a failed write."""
    if cause.errno in _FULL:
        return DiskFull(
            f"The disk is full: {path} could not be written.",
            "Free some space and start again; what was measured is kept.",
        )
    return NotWritable(
        f"{path} cannot be written: {cause.strerror or cause}.",
        "Choose a folder that you may write to (--cache FILE, --out DIR, or the variable QUORUM_HOME).",
    )
