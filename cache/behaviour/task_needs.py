"""Which layers tasks need, by the coalitions of a run, in a results file."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from duckdb import DuckDBPyConnection

from cache.consistent import check_needs
from cache.database import Database
from cache.stored_records import refusal, stored
from core.records.behaviour.needs import TaskNeeds


def known(database: Database, run: str, players: int) -> tuple[TaskNeeds, ...]:
    """What is stored of a run with so many players, by the names of the tasks.

    Raises:
        CacheUnreadable: a row that this release would not have written.
    """
    with database.reading() as connection:
        query = "SELECT record, task, answers, kind FROM needs WHERE run = ? ORDER BY task, answers"
        rows = connection.execute(query, [run]).fetchall()
    found = tuple(stored(TaskNeeds, text, database.file, f"run {run}") for text, *_ in rows)
    try:
        for one, (_, *key) in zip(found, rows, strict=True):
            if key != [one.task, one.answers, one.values.kind]:
                raise ValueError("what a task needs in the place of another one's")
            check_needs(one, players)
    except ValueError as cause:
        raise refusal(database.file, f"run {run}", str(cause)) from cause
    return found


def insert(connection: DuckDBPyConnection, run: str, found: Sequence[TaskNeeds]) -> None:
    """Adds what was found; it replaces what was known of the same tasks."""
    for one in found:
        key = [run, one.task, one.answers, one.values.kind]
        connection.execute("INSERT OR REPLACE INTO needs VALUES (?, ?, ?, ?, ?)", [*key, json.dumps(asdict(one))])
