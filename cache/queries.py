"""The read side of the cache: named reads for the pages and the command line."""

import json
import re
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import pandas as pd

from cache.database import Database
from cache.findings import MODEL, complete_findings, result_of
from cache.labels import Label, label_of, meant
from cache.stored_records import Record, refusal, stored, stored_of
from core.errors import RunNotFound
from core.records.diagnostics import Diagnostics
from core.records.plans import Comparison, Scores, Selection
from core.records.results import Findings, RunResult
from core.records.spec import MOST_LAYERS, ModelInfo, RunSpec

_LOOKS = 3  # another reader may hold a claim for a moment; a process that measures holds it all the time
_STATUS = ("running", "cancelled", "failed", "finished")
_RUNS = """
    SELECT run, game, spec, strata, status, message, findings, started, changed, name, note, archived, deleted
    FROM runs LEFT JOIN labels USING (run)
"""


@dataclass(frozen=True)
class StoredRun:
    """One run as the file knows it."""

    run: str
    game: str
    spec: RunSpec
    strata: tuple[int, ...]
    status: str  # running, interrupted, cancelled, failed or finished
    message: str | None
    findings: Findings | None  # what a list says of its result
    started: pd.Timestamp
    changed: pd.Timestamp
    label: Label = field(default_factory=Label)
    # Coalitions of its game that somebody wants its estimates to rest on; None: the run's own (`cache.basis`).
    refit: int | None = None
    read: Callable[[], RunResult | None] = field(default=lambda: None, compare=False)  # the result, once asked for

    @property
    def result(self) -> RunResult | None:
        """What it found, complete or so far: large, and read from the file when it is first asked for.

        Raises:
            CacheError: the file cannot be read now, or holds what Quorum never writes.
        """
        return self.read() if self.findings is not None else None

    @property
    def kept(self) -> RunResult | None:
        """The result, where estimates may take from it what its surrogates have learnt: a refit learns anew."""
        return self.result if self.refit is None else None

    @property
    def resolved(self) -> RunSpec:
        """The specification with what was found out when the run began: the dtype."""
        return replace(self.spec, dtype=self.findings.dtype) if self.findings else self.spec


def runs(database: Database, deleted: bool = False, before: Sequence[StoredRun] = ()) -> list[StoredRun]:
    """All runs as they are written, those in the archive too, the newest first; `settled` tells the killed ones.

    Args:
        database: where they are.
        deleted: in their place those that were deleted and can be brought back.
        before: what this gave earlier: only those that have changed are read.
    """
    complete_findings(database)
    known = {(run.run, run.status, run.changed): run for run in before}
    with database.reading() as connection:
        rows = connection.execute(
            """
            SELECT run, status, changed, name, note, archived, deleted FROM runs LEFT JOIN labels USING (run)
            WHERE (deleted IS NOT NULL) = ? ORDER BY started DESC
            """,
            [deleted],
        ).fetchall()
        every = [(known.get((run, status, pd.Timestamp(changed))), run, label) for run, status, changed, *label in rows]
        fresh = [run for found, run, _ in every if found is None]
        read = connection.execute(f"{_RUNS} WHERE list_contains(?, run)", [fresh]).fetchall() if fresh else []
    anew = {row[0]: _stored(database, row) for row in read}
    return [replace(found, label=label_of(*label)) if found else anew[run] for found, run, label in every]


def settled(database: Database, run: StoredRun) -> StoredRun:
    """A run that says running, while no process holds it, was killed: it is interrupted."""
    return replace(run, status="interrupted") if run.status == "running" and not is_held(database, run.run) else run


def is_held(database: Database, run: str) -> bool:
    """Whether a process measures a run now."""
    for _ in range(_LOOKS):
        with database.claim(run) as free:
            if free:
                return False
        time.sleep(0.005)
    return True


def ends(database: Database) -> list[tuple[str, str, Hashable]]:
    """Of every run its name, its status as it is written, and what changes with that, its result and its label."""
    with database.reading() as connection:
        rows = connection.execute("""
            SELECT run, status, changed, name, note, archived FROM runs LEFT JOIN labels USING (run)
            WHERE deleted IS NULL ORDER BY run
        """).fetchall()
    return [(run, status, tuple(rest)) for run, status, *rest in rows]


def find_run(database: Database, name: str, deleted: bool = False) -> StoredRun:
    """The run that was given that name, or whose own name begins so; `latest` is the newest one outside the archive.

    `deleted`: also among those that were deleted.

    Raises:
        RunNotFound: there is none, or more than one, with those that there are.
    """
    complete_findings(database)
    with database.reading() as connection:
        rows = connection.execute("""
            SELECT run, name, note, archived, deleted FROM runs LEFT JOIN labels USING (run) ORDER BY started DESC
        """).fetchall()
        every = {run: label_of(*label) for run, *label in rows}
        found = connection.execute(f"{_RUNS} WHERE run = ?", [meant(database.file, every, name, deleted)]).fetchone()
    assert found is not None  # the file is ours while it is read
    return settled(database, _stored(database, found))


def last_selection(database: Database, run: str) -> Selection | None:
    """What the last search found for a run, if there was one."""
    return _kept(database, Selection, run, "selections", "selection", "ORDER BY changed DESC LIMIT 1")


def find_selection(database: Database, run: str) -> Selection:
    """As `last_selection`, where there must be one.

    Raises:
        RunNotFound: there was none.
    """
    found = last_selection(database, run)
    if found is None:
        raise RunNotFound(
            f"No layers have been selected for run {run} yet.", f"Search first: python -m app select {run}."
        )
    return found


def comparison(database: Database, run: str) -> Comparison | None:
    """How methods compared the last time that it was asked for a run."""
    return _kept(database, Comparison, run, "comparisons", "comparison")


def players(database: Database, run: StoredRun) -> tuple[str, ...]:
    """Who plays in a run's game, by name; its masks are over these.

    Raises:
        RunNotFound: the game is not in the file.
    """
    with database.reading() as connection:
        row = connection.execute("SELECT model FROM games WHERE game = ?", [run.game]).fetchone()
    if row is None:
        raise RunNotFound(f"Run {run.run} has measured nothing yet.", "Start it again: python -m app run.")
    return stored(ModelInfo, row[0], database.file, f"game {run.game}").players


def selection(database: Database, run: str, protected: Sequence[int]) -> Selection | None:
    """What a search found for a run with these layers protected, if there was one."""
    asked = json.dumps(sorted(set(protected)))
    return _kept(database, Selection, run, "selections", "selection", "AND protected = $2", asked)


def diagnostics(database: Database, run: str) -> Diagnostics | None:
    """How far a run's surrogates can be trusted; None before its end, and of a run that ended in an earlier release."""
    return _kept(database, Diagnostics, run, "diagnostics", "diagnostics")


def scores(database: Database, run: str) -> Scores | None:
    """What the literature's criteria say of a run's players, if it was asked for."""
    return _kept(database, Scores, run, "scores", "scores")


def owner(database: Database, run: str) -> str | None:
    """Who started a run, if they had logged in."""
    with database.reading() as connection:
        row = connection.execute("SELECT owner FROM owners WHERE run = ?", [run]).fetchone()
    return row[0] if row else None


def texts(database: Database, fingerprint: str, tokens: str) -> tuple[str, ...]:
    """How the sequences of some tokens begin; none where no release that keeps them has opened this game."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT texts FROM texts WHERE fingerprint = ? AND tokens = ?", [fingerprint, tokens]
        ).fetchone()
    return stored(tuple[str, ...], row[0], database.file, "texts") if row else ()


def is_blank(database: Database) -> bool:
    """Whether nothing has ever been measured with this file."""
    with database.reading() as connection:
        row = connection.execute("SELECT count(*) FROM games").fetchone()
    return not row or row[0] == 0


def _kept(
    database: Database, kind: type[Record], run: str, table: str, column: str, which: str = "", *asked: str
) -> Record | None:
    """A record of a run from its column of a table, if there is one."""
    with database.reading() as connection:
        row = connection.execute(
            f"SELECT {column}, ({MODEL}) FROM {table} WHERE run = $1 {which}", [run, *asked]
        ).fetchone()
    return stored_of(kind, row[0], database.file, run, row[1]) if row else None


def _stored(database: Database, row: tuple[Any, ...]) -> StoredRun:
    run, game, spec, strata, status, message, found, started, changed, *label = row
    file = database.file
    # These become the names of files, and of a command's argument.
    for what, name in (("a run", run), (f"run {run}", game)):
        if not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII):
            raise refusal(file, what, f"its {'name' if name is run else 'game'} is {name!r}")
    if status not in _STATUS:
        raise refusal(file, f"run {run}", f"its status is {status!r}")
    said = stored(Findings, found, file, f"run {run}") if found else None
    most = said.players if said is not None else MOST_LAYERS
    if any(kept is None or not 0 < kept <= most for kept in strata):
        raise refusal(file, f"run {run}", f"its strata are {list(strata)[:20]}")
    return StoredRun(
        run,
        game,
        stored(RunSpec, spec, file, f"run {run}"),
        tuple(strata),
        status,
        message,
        said,
        pd.Timestamp(started),
        pd.Timestamp(changed),
        label_of(*label),
        read=lru_cache(maxsize=1)(partial(result_of, database, run)),
    )
