"""The finalists of searches after compensation, as the results file holds them."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from duckdb import DuckDBPyConnection

from cache.database import Database
from cache.findings import MODEL
from cache.stored_records import stored_of
from core.records.mends import COMPENSATIONS, CompensatedPlans


def known(database: Database, run: str, protected: Sequence[int], how: str) -> CompensatedPlans | None:
    """What is known of a run's finalists compensated in one way, with these players protected."""
    with database.reading() as connection:
        row = connection.execute(
            f"SELECT record, ({MODEL}) FROM compensated WHERE run = $1 AND protected = $2 AND how = $3",
            [run, json.dumps(sorted(set(protected))), how],
        ).fetchone()
    return stored_of(CompensatedPlans, row[0], database.file, run, row[1]) if row else None


def of_run(database: Database, run: str, protected: Sequence[int]) -> tuple[CompensatedPlans, ...]:
    """The same in every way in which they were compensated."""
    found = (known(database, run, protected, how) for how in COMPENSATIONS)
    return tuple(each for each in found if each is not None)


def insert(connection: DuckDBPyConnection, run: str, found: CompensatedPlans) -> None:
    """Keeps them in place of what was known, within a transaction."""
    row = [run, json.dumps(sorted(set(found.protected))), found.how, json.dumps(asdict(found))]
    connection.execute("INSERT OR REPLACE INTO compensated VALUES (?, ?, ?, ?)", row)
