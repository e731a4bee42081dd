"""What pages read from the results file on every rerun, read again only when the file has changed.

A connection takes tens of milliseconds and shuts out whoever measures; asking whether the file has changed takes none.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.choices import Comparison, Selection
from core.measurements import Floats
from core.scores import Scores


def runs(database: Database) -> list[StoredRun]:
    """All runs as they are written, the newest first."""
    found: list[StoredRun] = _read(*_key(database), "runs", (), queries.runs, database)
    return found


def size(database: Database, game: str) -> tuple[int, int]:
    """How many losses and how many divergences are known in a game."""
    found: tuple[int, int] = _read(*_key(database), "size", (game,), queries.size, database)
    return found


def selection(database: Database, run: str) -> Selection | None:
    """What the last search found for a run, if there was one."""
    found: Selection | None = _read(*_key(database), "selection", (run,), queries.latest_selection, database)
    return found


def comparison(database: Database, run: str) -> Comparison | None:
    """How methods compared the last time that it was asked for a run."""
    found: Comparison | None = _read(*_key(database), "comparison", (run,), queries.comparison, database)
    return found


def losses(database: Database, game: str, masks: tuple[str, ...]) -> dict[str, Floats]:
    """What is known of some masks in a game: the loss of every sequence, nats a token."""
    found: dict[str, Floats] = _read(*_key(database), "losses", (game, masks), queries.losses, database)
    return found


def scores(database: Database, run: str) -> Scores | None:
    """What the literature's criteria say of a run's players, if it was asked for."""
    found: Scores | None = _read(*_key(database), "scores", (run,), queries.scores, database)
    return found


def texts(database: Database, fingerprint: str, tokens: str) -> tuple[str, ...]:
    """How the sequences of some tokens begin; none where that is not known."""
    found: tuple[str, ...] = _read(*_key(database), "texts", (fingerprint, tokens), queries.texts, database)
    return found


def _key(database: Database) -> tuple[str, tuple[int, int]]:
    return str(database.file), database.revision()


@st.cache_data(max_entries=64, show_spinner=False)
def _read(
    file: str,
    revision: tuple[int, int],
    what: str,
    arguments: tuple[Any, ...],
    _query: Callable[..., Any],
    _database: Database,
) -> Any:
    """Remembered by all but the last two."""
    return _query(_database, *arguments)
