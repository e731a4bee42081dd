"""What is being made has a hidden name until it is whole, and an owner: whatever a killed process left is swept away.

Every thing under way has a note in $QUORUM_HOME/unfinished that says where it is, and a lock beside the note that its
owner holds. Locks end with their processes, so that a note whose lock is free is of one that has gone.
"""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.paths import home, write_errors

_LOCK = ".lock"


class Unfinished:
    """A new hidden path beside `target`, where nothing lies yet, that belongs to this process until it is dropped."""

    def __init__(self, target: Path) -> None:
        """Takes a path; its folder is made if it is missing.

        Raises:
            NotWritable, DiskFull.
        """
        notes = _notes()
        with write_errors(notes):
            notes.mkdir(parents=True, exist_ok=True)
            token = secrets.token_hex(8)
            self._note = notes / token
            self._lock = FileLock(self._note.with_suffix(_LOCK))
            self._lock.acquire()
            self.path = target.parent / f".{target.name}.{token}.part"
            self._note.write_text(str(self.path), encoding="utf-8")
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)

    def finish(self, target: Path) -> None:
        """Gives it the name under which others find it; an empty folder or a file of that name makes room."""
        with write_errors(target):
            if target.is_dir() and self.path.is_dir():
                target.rmdir()
            self.path.replace(target)

    def drop(self) -> None:
        """Removes what is left of it; after `finish`, nothing is."""
        _remove(self.path)
        _forget(self._note, self._lock)


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A path at which to make `target`, a file or a folder, which appears when the block ends well, or not at all.

    Raises:
        NotWritable, DiskFull: also in place of what the block raises about a full disk.
    """
    making = Unfinished(target)
    try:
        with write_errors(target):
            yield making.path
        making.finish(target)
    finally:
        making.drop()


def sweep() -> None:
    """Removes what processes that have gone left unfinished; what a living one makes is not touched."""
    for held in sorted(_notes().glob(f"*{_LOCK}")):
        lock, note = FileLock(held, timeout=0), held.with_suffix("")
        with suppress(OSError, ValueError, Timeout):  # its owner lives, or somebody else sweeps, or is another user
            lock.acquire()
            if note.exists():
                path = Path(note.read_text(encoding="utf-8"))
                if path.name.startswith(".") and path.name.endswith(f".{note.name}.part"):
                    _remove(path)
            _forget(note, lock)


def _notes() -> Path:
    return home() / "unfinished"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _forget(note: Path, lock: FileLock) -> None:
    """The note first: without its lock, nobody would look at it again."""
    with suppress(OSError):
        note.unlink(missing_ok=True)
        note.with_suffix(_LOCK).unlink(missing_ok=True)
    lock.release()
