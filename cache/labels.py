"""What people say of runs: a name, a note, whether a run is in the archive, and whether it is deleted.

A deleted run is seen nowhere from then on, and can be brought back for a week. It takes its results, plans and label
with it; what was measured belongs to its game, and stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from cache.database import Database
from core.errors import NotAllowed, RunNotFound

LONGEST_NAME, LONGEST_NOTE = 80, 2000  # letters
KEPT = timedelta(days=7)
LATEST = "latest"  # no run's name: those are of hexadecimal digits
_TABLES = ("runs", "selections", "comparisons", "diagnostics", "scores", "needs", "compensated", "owners", "labels")


@dataclass(frozen=True)
class Label:
    """What is said of a run; the name and the note are empty where there is none."""

    name: str = ""
    note: str = ""
    archived: bool = False
    deleted: datetime | None = None  # since when, UTC

    @property
    def until(self) -> datetime | None:
        """Until when a deleted run can be brought back."""
        return self.deleted + KEPT if self.deleted else None


def label_of(name: str | None, note: str | None, archived: bool | None, deleted: datetime | None) -> Label:
    """A label from its row, which may be anybody's, or None of a run that has none."""
    return Label(tidy(name or "")[:LONGEST_NAME], tidy(note or "", True)[:LONGEST_NOTE], bool(archived), deleted)


def tidy(text: str, lines: bool = False) -> str:
    """A text without what is not seen, such as control characters; with one space between words, or with its lines."""
    if lines:
        return "\n".join(map(tidy, text.splitlines())).strip()
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def meant(file: Path, every: dict[str, Label], name: str, deleted: bool) -> str:
    """Which of the runs, the newest first, somebody means by a name; `deleted`: also one that was deleted.

    Raises:
        RunNotFound.
    """
    there = {run: label for run, label in every.items() if deleted or label.deleted is None}
    if name == LATEST:
        matches = [run for run, label in there.items() if not label.archived and label.deleted is None][:1]
    else:
        matches = [name] if name in there else _matches(there, name)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RunNotFound(f"{len(matches)} runs are called {name}.", f"Say which: {_listed(there, matches)}.")
    if gone := _matches(every, name):
        raise RunNotFound(f"Run {gone[0]} was deleted.", f"Bring it back with python -m app label {gone[0]} --restore.")
    raise RunNotFound(f"There is no run {name}.", f"Runs in {file}: {_listed(there, list(there))}.")


def rename(database: Database, run: str, name: str) -> None:
    """Gives a run a name, or takes it away if it is empty.

    Raises:
        NotAllowed: it is too long, or means another run.
    """
    name = tidy(name)
    if len(name) > LONGEST_NAME:
        raise NotAllowed(f"The name has {len(name)} letters.", f"Take at most {LONGEST_NAME}; a note may be longer.")
    if name == LATEST:
        raise NotAllowed(f"No run can be called {LATEST}.", "It means the newest one. Take another name.")
    _set(database, run, "name", name)


def annotate(database: Database, run: str, note: str) -> None:
    """Gives a run a note, or takes it away if it is empty.

    Raises:
        NotAllowed: it is too long.
    """
    note = tidy(note, lines=True)
    if len(note) > LONGEST_NOTE:
        raise NotAllowed(f"The note has {len(note):,} letters.", f"Take at most {LONGEST_NOTE:,}.")
    _set(database, run, "note", note)


def archive(database: Database, run: str) -> None:
    """Puts a run where it is shown to nobody who does not ask for the archive."""
    _set(database, run, "archived", True)


def delete(database: Database, run: str) -> None:
    """Deletes a run, which `restore` brings back for a week; forgets those that were deleted before that."""
    _set(database, run, "deleted", _now())
    forget_expired(database)


def restore(database: Database, run: str) -> None:
    """Brings a run back, out of the archive or although it was deleted."""
    _set(database, run, "archived", False)
    _set(database, run, "deleted", None)


def deleted(database: Database) -> dict[str, Label]:
    """The runs that can be brought back, the one that was deleted last first."""
    with database.reading() as connection:
        rows = connection.execute(
            """
            SELECT run, name, note, archived, deleted FROM labels JOIN runs USING (run)
            WHERE deleted > ? ORDER BY deleted DESC
            """,
            [_now() - KEPT],
        ).fetchall()
    return {run: label_of(*label) for run, *label in rows}


def forget_expired(database: Database) -> None:
    """Forgets the runs that were deleted more than a week ago."""
    with database.writing() as connection:
        rows = connection.execute("SELECT run FROM labels WHERE deleted < ?", [_now() - KEPT]).fetchall()
        for (run,) in rows:
            forget(connection, run)


def begun(connection: DuckDBPyConnection, run: str) -> None:
    """Tells that a run is started: one that was deleted begins anew, and one in the archive comes out of it."""
    if connection.execute("SELECT 1 FROM labels WHERE run = ? AND deleted IS NOT NULL", [run]).fetchone():
        forget(connection, run)
    connection.execute("UPDATE labels SET archived = false WHERE run = ?", [run])


def forget(connection: DuckDBPyConnection, run: str) -> None:
    """Forgets all of a run for ever. Its evaluations stay: another run may use them."""
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table} WHERE run = ?", [run])


def _set(database: Database, run: str, column: str, value: object) -> None:
    with database.writing() as connection:
        connection.execute("INSERT OR IGNORE INTO labels (run) VALUES (?)", [run])
        connection.execute(f"UPDATE labels SET {column} = ? WHERE run = ?", [value, run])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _matches(every: dict[str, Label], name: str) -> list[str]:
    given = tidy(name).casefold()
    return [run for run, label in every.items() if given and (run.startswith(given) or label.name.casefold() == given)]


def _listed(every: dict[str, Label], runs: Sequence[str]) -> str:
    told = [f"{run} ({every[run].name})" if every[run].name else run for run in runs[:10]]
    return ", ".join(told) or "none yet"
