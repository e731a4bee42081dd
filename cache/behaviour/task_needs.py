"""Which layers tasks need, by the coalitions of a run, in a results file."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from duckdb import DuckDBPyConnection

from cache.database import Database
from cache.stored_records import refusal, stored
from core.records.behaviour.needs import TaskNeeds


def known(database: Database, run: str, players: int) -> tuple[TaskNeeds, ...]:
    """What is stored of a run with so many players, by the names of the tasks.

    Raises:
        CacheUnreadable: a row that this release would not have written.
    """
    with database.reading() as connection:
        rows = connection.execute("SELECT record FROM needs WHERE run = ? ORDER BY task, answers", [run]).fetchall()
    found = tuple(stored(TaskNeeds, text, database.file, f"run {run}") for (text,) in rows)
    for one in found:
        every = [one.values, *([one.text] if one.text is not None else [])]
        if any([item.layer for item in values.values] != list(range(players)) for values in every):
            raise refusal(database.file, f"run {run}", f"what {one.task[:40]!r} needs of other players than its own")
    return found


def insert(connection: DuckDBPyConnection, run: str, found: Sequence[TaskNeeds]) -> None:
    """Adds what was found; it replaces what was known of the same tasks."""
    for one in found:
        key = [run, one.task, one.answers, one.values.kind]
        connection.execute("INSERT OR REPLACE INTO needs VALUES (?, ?, ?, ?, ?)", [*key, json.dumps(asdict(one))])
