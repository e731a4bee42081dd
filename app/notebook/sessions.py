"""Where a notebook's results are kept, and the engine that works on them: both stay open between cells."""

from functools import cache, lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.opening import engine_on
from app.notebook.progress_bar import follow
from app.panics import named_panics
from cache.database import Database, default_file
from cache.in_memory import MEMORY, InMemory
from core.errors import BadPath
from core.paths import user_path

if TYPE_CHECKING:
    from core.run.engine import Engine

Cache = str | PathLike[str] | None


def open_results(cache: Cache) -> Database:
    """The results: in the file that the command line uses for None, in this process for ":memory:", or in a file.

    Raises:
        CacheError, BadPath, NotWritable, DiskFull: the file cannot be used.
    """
    if cache is not None and not isinstance(cache, str | PathLike):
        raise BadPath(f"cache={cache!r} names no results file.", f'Give the path of a file, "{MEMORY}", or None.')
    if cache == MEMORY:
        return _memory()
    return _file(user_path(Path(cache or default_file())).resolve())


def work(database: Database, command: str, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Lets the engine do what it has a command for: its last event, and what it returned."""
    with named_panics():
        return follow(getattr(_engine(database), command)(*arguments, **options))


@cache
def _memory() -> Database:
    return InMemory()


@lru_cache(maxsize=8)
def _file(path: Path) -> Database:
    return Database(path)


@lru_cache(maxsize=1)  # an engine keeps a model in memory
def _engine(database: Database) -> "Engine":
    return engine_on(database)
