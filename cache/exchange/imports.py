"""What came from other results files: which evaluations, from which file, and how they are taken out again."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from duckdb import DuckDBPyConnection

from cache.database import Database
from core.errors import NotEvaluations

_SHORTEST = 4  # digits that name a file


@dataclass(frozen=True)
class Import:
    """One file that was taken in, and how many evaluations of its game are here because of it."""

    sha256: str  # of the file
    name: str  # that it had
    game: str
    taken: pd.Timestamp
    evaluations: int


def imports(database: Database, game: str | None = None) -> list[Import]:
    """The files that were taken in, of one game or of all, the newest first."""
    with database.reading() as connection:
        rows = connection.execute(
            """
            SELECT sha256, name, game, taken, (
                SELECT count(*) FROM imported WHERE imported.sha256 = imports.sha256 AND imported.game = imports.game
            )
            FROM imports WHERE game = coalesce(?, game) ORDER BY taken DESC, sha256
            """,
            [game],
        ).fetchall()
    return [Import(sha256, name, game, pd.Timestamp(taken), count) for sha256, name, game, taken, count in rows]


def note(connection: DuckDBPyConnection, sha256: str, name: str, game: str, masks: Sequence[str]) -> None:
    """Within a transaction that takes in a file: which of its evaluations are new. One of ours is never noted."""
    connection.execute("INSERT OR REPLACE INTO imports VALUES (?, ?, ?, now())", [sha256, game, name])
    connection.register("fresh_masks", pd.DataFrame({"mask": list(masks)}))
    connection.execute("INSERT OR IGNORE INTO imported SELECT ?, mask, ? FROM fresh_masks", [game, sha256])


def take_out(database: Database, name: str) -> Import:
    """Removes what came with a file, by its name or the beginning of its sha256; what was measured here stays.

    Runs that counted on it keep their last result, and say that they were estimated with it.

    Raises:
        NotEvaluations: no file of that name, or several.
    """
    every = imports(database)
    found = [one for one in every if len(name) >= _SHORTEST and one.sha256.startswith(name)]
    found = found or [one for one in every if one.name == name]
    if len(found) != 1:
        known = ", ".join(f"{one.sha256[:12]} ({one.name})" for one in every[:10]) or "none"
        raise NotEvaluations(
            f"{len(found) or 'No'} files that were taken in are called {name}.", f"There are: {known}."
        )
    [gone] = found
    here = [gone.game, gone.sha256]
    with database.writing() as connection:
        for table in ("evaluations", "divergences"):
            connection.execute(
                f"DELETE FROM {table} WHERE game = $1 AND mask IN "
                "(SELECT mask FROM imported WHERE game = $1 AND sha256 = $2)",
                here,
            )
        connection.execute("DELETE FROM imported WHERE game = ? AND sha256 = ?", here)
        connection.execute("DELETE FROM imports WHERE game = ? AND sha256 = ?", here)
        connection.execute(
            # Nobody knows whose it is where some of the game was measured here: it stays.
            "UPDATE games SET precision = NULL WHERE game = $1 AND $1 NOT IN (SELECT game FROM evaluations)",
            [gone.game],
        )
        connection.execute(
            """
            UPDATE runs SET status = 'cancelled', changed = now(),
                message = 'Estimated with evaluations that were taken out since; resume it.'
            WHERE game = ? AND status = 'finished'
            """,
            [gone.game],
        )
    return gone
