"""What pages read from the results file on every rerun, read again only when the file has changed.

A connection takes tens of milliseconds and shuts out whoever measures; asking whether the file has changed takes none.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.choices import Comparison, Selection
from core.measurements import Floats
from core.scores import Scores


def runs(database: Database) -> list[StoredRun]:
    """All runs as they are written, the newest first."""
    found: list[StoredRun] = _read(database, database.revision(), queries.runs)
    return found


def size(database: Database, game: str) -> tuple[int, int]:
    """How many losses and how many divergences are known in a game."""
    found: tuple[int, int] = _read(database, database.revision(), queries.size, game)
    return found


def selection(database: Database, run: str) -> Selection | None:
    """What the last search found for a run, if there was one."""
    found: Selection | None = _read(database, database.revision(), queries.latest_selection, run)
    return found


def comparison(database: Database, run: str) -> Comparison | None:
    """How methods compared the last time that it was asked for a run."""
    found: Comparison | None = _read(database, database.revision(), queries.comparison, run)
    return found


def losses(database: Database, game: str, masks: tuple[str, ...]) -> dict[str, Floats]:
    """What is known of some masks in a game: the loss of every sequence, nats a token."""
    found: dict[str, Floats] = _read(database, database.revision(), queries.losses, game, masks)
    return found


def scores(database: Database, run: str) -> Scores | None:
    """What the literature's criteria say of a run's players, if it was asked for."""
    found: Scores | None = _read(database, database.revision(), queries.scores, run)
    return found


def texts(database: Database, fingerprint: str, tokens: str) -> tuple[str, ...]:
    """How the sequences of some tokens begin; none where that is not known."""
    found: tuple[str, ...] = _read(database, database.revision(), queries.texts, fingerprint, tokens)
    return found


@lru_cache(maxsize=64)
def _read(database: Database, revision: tuple[int, int], query: Callable[..., Any], *arguments: Hashable) -> Any:
    """All sessions share what was read, and nobody changes it: Streamlit's own cache would copy it on every rerun."""
    return query(database, *arguments)
