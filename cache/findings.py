"""Results of runs, and what lists say of them: a result is of a hundred kilobytes, and a list is of many runs."""

import json
from contextlib import suppress
from dataclasses import asdict

import pandas as pd

from cache.database import Database
from cache.stored_records import stored_of
from core.attribution.stability import findings
from core.errors import CacheError
from core.records.results import RunResult

# The model of a run's game, if the file has it.
MODEL = "SELECT any_value(model) FROM runs JOIN games USING (game) WHERE runs.run = $1"


def result_of(database: Database, run: str) -> RunResult | None:
    """A run's result as it is now, if there is one."""
    with database.reading() as connection:
        row = connection.execute(f"SELECT result, ({MODEL}) FROM runs WHERE run = $1", [run]).fetchone()
    return stored_of(RunResult, row[0], database.file, run, row[1]) if row and row[0] else None


def complete_findings(database: Database) -> None:
    """Keeps what lists say of the results of earlier releases, which did not."""
    with database.reading() as connection:
        rows = connection.execute("""
            SELECT run, result, model FROM runs LEFT JOIN games USING (game)
            WHERE findings IS NULL AND result IS NOT NULL
        """).fetchall()
    if not rows:
        return
    read = [(run, stored_of(RunResult, result, database.file, run, model)) for run, result, model in rows]
    found = [(run, json.dumps(asdict(findings(result)))) for run, result in read if result is not None]
    with suppress(CacheError), database.writing() as connection:
        connection.register("found", pd.DataFrame(found, columns=["run", "said"]))
        connection.execute("UPDATE runs SET findings = found.said FROM found WHERE runs.run = found.run")
