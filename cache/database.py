"""One DuckDB file among many processes: an exclusive lock around connections that live for milliseconds.

DuckDB lets one process hold a file, and a long-lived writer would lock out every reader. The file is never opened but
by DuckDB: closing any other descriptor of it would drop DuckDB's own lock. To start DuckDB takes ten times as long as
to open a file, so that one stays, without a file, between two uses.
"""

import copy
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from cache.schema import shape
from core.errors import CacheBusy, CacheError, CacheTooNew, CacheUnreadable, DiskFull, NotWritable
from core.paths import home, user_path, write_errors

# How many seconds somebody who looks at a page waits for others that use the file; who has measured waits for ever.
_PATIENCE, ENDLESS = 10.0, math.inf
# A file may come from anybody: nothing in it reads, writes, fetches or installs anything outside of it.
CLOSED: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "lock_configuration": True,
    "threads": 1,
}
# What DuckDB calls its files, after the name of ours.
_ENDS = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
# What DuckDB raises when a statement of ours is at fault, and not the file.
_OUR_FAULTS = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError)
# What DuckDB says of a damaged file; whatever else it says is no reason to move a file away.
_DAMAGE = (
    "not a valid duckdb",
    "corrupt",
    "checksum",
    "serializ",
    "truncated",
    "internal error",
    "could not read enough",
)
_INTERRUPTED = "Query interrupted"  # what it makes of a KeyboardInterrupt
_MEMORY = ("out of memory", "failed to allocate", "could not allocate", "bad_alloc")


def default_file() -> Path:
    """The results file that is used where none is named: $QUORUM_CACHE, or quorum.duckdb in Quorum's home."""
    return Path(os.environ.get("QUORUM_CACHE") or home() / "quorum.duckdb")


class Database:
    """The results file. Objects are cheap and safe to share between threads: each use opens a connection of its own."""

    def __init__(self, file: Path, patience: float = _PATIENCE) -> None:
        """Opens the file once, creating or migrating it.

        Args:
            file: the results file.
            patience: seconds to wait while others hold it, among them foreign programs such as a `duckdb` shell.

        Raises:
            CacheUnreadable, CacheTooNew, CacheBusy, NotWritable, DiskFull.
        """
        self.file, self._patience = user_path(file).resolve(), patience
        if self.file.is_dir():
            raise CacheUnreadable(f"{self.file} is a folder.", "Name a file with --cache FILE.")
        with write_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with _named_errors(self.file):
            shape.wanted()  # before others wait for us
        with write_errors(self.file), _named_errors(self.file), self._lock():
            self._check_ours()
            with self._connect() as connection:
                shape.migrate(connection)

    def _check_ours(self) -> None:
        """Refuses another program's file, which stays as it is; an empty one becomes a results file."""
        if not self.file.exists():
            return
        if self.file.stat().st_size == 0:
            self.file.unlink()  # DuckDB takes no empty file
            return
        with self._connect(read_only=True) as connection:
            strangers = shape.strangers(connection)
        if strangers:
            raise CacheUnreadable(
                f"{self.file} is no results file of Quorum: {', '.join(strangers[:3])} "
                f"{'is' if len(strangers) == 1 else 'are'} not what it has.",
                "It is left as it is. Name another file with --cache FILE.",
            )

    def patiently(self) -> "Database":
        """The same file for somebody who has measured: waits for others for as long as it takes."""
        patient = copy.copy(self)
        patient._patience = ENDLESS
        return patient

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reading, held for as short as possible: it locks out every other process."""
        with write_errors(self.file), _named_errors(self.file), self._lock():
            fresh = not self.file.exists()  # new, or deleted under a server that goes on
            with self._connect() as connection:
                if fresh:
                    shape.migrate(connection)
                yield connection

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in one transaction: committed at the end, rolled back by an error."""
        with self.reading() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def revision(self) -> tuple[int, int]:
        """Changes whenever the contents do; costs one stat."""
        if not self.file.exists():
            return 0, 0
        status = self.file.stat()
        return status.st_mtime_ns, status.st_size

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether this process alone may measure a game, or a run. It ends with the block, or with the process."""
        folder = Path(f"{self.file}.claims")
        with write_errors(folder):
            folder.mkdir(exist_ok=True)
            lock = FileLock(folder / f"{name}.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                yield False
                return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self) -> FileLock:
        return FileLock(f"{self.file}.lock", timeout=-1 if self._patience == ENDLESS else self._patience)

    @contextmanager
    def _connect(self, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the file, which DuckDB lets go of in the end; what has failed is not used again."""
        started = _idle.pop(self.file, None) or _start(self.file)
        try:
            self._attach(started, read_only)
            with started.cursor() as connection:
                connection.execute("USE results")
                yield connection
            started.execute("DETACH results")
        except BaseException:
            started.close()
            raise
        _idle.clear()
        _idle[self.file] = started

    def _attach(self, started: duckdb.DuckDBPyConnection, read_only: bool) -> None:
        deadline, file = time.monotonic() + self._patience, str(self.file).replace("'", "''")
        while True:
            try:
                started.execute(f"ATTACH '{file}' AS results (TYPE duckdb{', READ_ONLY' if read_only else ''})")
                return
            except duckdb.IOException as cause:
                if "lock on file" not in str(cause).lower() or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


# A DuckDB without a file that waits for the next use of one, of the file that was used last.
_idle: dict[Path, duckdb.DuckDBPyConnection] = {}


def _start(file: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB that may open this file and no other."""
    started = duckdb.connect(":memory:", config={**CLOSED, "enable_external_access": True, "lock_configuration": False})
    started.execute("SET temp_directory = ?", [f"{file}.tmp"])
    started.execute("SET allowed_paths = ?", [[f"{file}{end}" for end in _ENDS]])
    started.execute("SET enable_external_access = false")
    started.execute("SET lock_configuration = true")
    return started


@contextmanager
def _named_errors(file: Path) -> Iterator[None]:
    """Turns DuckDB's errors of opening and writing into ours, and its word of an interruption into that."""
    try:
        yield
    except Timeout as cause:
        raise CacheBusy(
            f"The results file {file} is in use all the time.",
            "Wait for the other Quorum process, or name another file with --cache FILE.",
        ) from cause
    except _OUR_FAULTS:
        raise
    except RuntimeError as cause:
        if str(cause) == _INTERRUPTED:
            raise KeyboardInterrupt from cause
        raise
    except (duckdb.Error, MemoryError) as cause:
        raise _named(file, str(cause) or "out of memory") from cause


def _named(file: Path, text: str) -> CacheError | DiskFull | NotWritable:
    lower = text.replace(str(file), "").lower()  # a folder may be called "corrupt"
    if any(word in lower for word in _MEMORY):
        return CacheError(
            f"There is not enough memory to work with {file}.",
            "Close other programs, and try again; the file is whole.",
        )
    if "lock on file" in lower:
        return CacheBusy(
            f"The results file {file} is held by another program: {text.splitlines()[0]}",
            "Close that program (a DuckDB shell or a notebook), or name another file with --cache FILE.",
        )
    if "no space left" in lower or "file too large" in lower or "disk quota" in lower:
        return DiskFull(
            f"The disk is full: {file} could not be written.",
            "Free some space and start again; what was stored is kept.",
        )
    if "permission denied" in lower or "read-only" in lower:
        return NotWritable(f"{file} cannot be written.", "Choose another file with --cache FILE.")
    if "version number" in lower or "newer version" in lower:
        return CacheTooNew(
            f"{file} was written by a newer DuckDB.", "Update Quorum, or name another file with --cache FILE."
        )
    if any(word in lower for word in _DAMAGE):
        return CacheUnreadable(
            f"{file} is corrupt, or no results file: {text.splitlines()[0]}",
            "Move it away, or name another file with --cache FILE.",
        )
    return CacheError(
        f"{file} cannot be used now: {text.splitlines()[0]}", "Try again, or name another file with --cache FILE."
    )
