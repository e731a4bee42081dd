"""The finalists of searches after compensation, as the results file holds them."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from duckdb import DuckDBPyConnection

from cache.database import Database
from cache.findings import MODEL
from cache.stored_records import stored_of
from core.records.mends import COMPENSATIONS, FITTING, CompensatedPlans
from core.records.plans import Selection


def known(
    database: Database, run: str, protected: Sequence[int], how: str, judged: str, fitted: str | None = None
) -> CompensatedPlans | None:
    """What is known of a run's finalists compensated in one way, as it is fitted now, with these players protected.

    Args:
        database: the results file.
        run: its name.
        protected: players, by their places.
        how: scale or refit.
        judged: the fingerprint of the windows that judge.
        fitted: that of the windows of the fits; None takes those that were used last.
    """
    with database.reading() as connection:
        row = connection.execute(
            f"""
            SELECT record, ({MODEL}) FROM compensated
            WHERE run = $1 AND protected = $2 AND how = $3 AND judged = $4 AND fitted = coalesce($5, fitted)
            ORDER BY changed DESC LIMIT 1
            """,
            [run, json.dumps(sorted(set(protected))), how, judged, fitted],
        ).fetchone()
    found = stored_of(CompensatedPlans, row[0], database.file, run, row[1]) if row else None
    return found if found is not None and found.fitting == FITTING else None


def of_search(database: Database, run: str, found: Selection) -> tuple[CompensatedPlans, ...]:
    """What is known of a search's finalists, in every way in which they were compensated."""
    ways = (known(database, run, found.protected, how, found.protocol.tokens) for how in COMPENSATIONS)
    return tuple(each for each in ways if each is not None)


def insert(connection: DuckDBPyConnection, run: str, found: CompensatedPlans) -> None:
    """Keeps them in place of what was known, within a transaction."""
    texts = found.protocol.tokens, found.fitted.tokens
    row = [run, json.dumps(sorted(set(found.protected))), found.how, *texts, json.dumps(asdict(found))]
    connection.execute("INSERT OR REPLACE INTO compensated VALUES (?, ?, ?, ?, ?, ?, now())", row)
