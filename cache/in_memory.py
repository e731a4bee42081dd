"""A results file that is none: what `Store` and `queries` need, in the memory of this process.

It is DuckDB, too, so that both say the same to memory as to a file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock

import duckdb

from cache.database import CLOSED, Database
from cache.schema import shape

MEMORY = ":memory:"


class InMemory(Database):
    """As a Database, for the threads of one process and until it ends. `Store(InMemory())` is a store in memory."""

    def __init__(self) -> None:
        self.file = Path(MEMORY)  # for messages: nothing is written there
        self._held = duckdb.connect(MEMORY, config=CLOSED)
        self._using, self._claiming = RLock(), Lock()
        self._claimed: set[str] = set()
        self._written = 0
        shape.migrate(self._held)

    def patiently(self) -> "InMemory":
        """Itself: nobody else holds it for long."""
        return self

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, which one thread has at a time."""
        with self._using, self._held.cursor() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As a Database's."""
        with super().writing() as connection:
            yield connection
        self._written += 1

    def revision(self) -> tuple[int, int]:
        """Changes whenever the contents may have changed."""
        return 0, self._written

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether a game, or a run, is the caller's alone. It ends with the block."""
        with self._claiming:
            granted = name not in self._claimed
            self._claimed.add(name)
        try:
            yield granted
        finally:
            if granted:
                self._claimed.discard(name)
