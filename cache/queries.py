"""The read side of the cache: named reads for the pages and the command line."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cache.database import Database
from core.coalitions.masks import decode
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import DIVERGENCES, LOSSES, WORTHS
from core.errors import EvaluationError, RunNotFound
from core.records.diagnostics import Diagnostics
from core.records.plans import Comparison, Scores, Selection
from core.records.reader import from_json
from core.records.results import RunResult
from core.records.spec import ModelInfo, RunSpec

# Another reader may hold a run's claim for the moment in which it looks; a process that measures holds it all the time.
_LOOKS = 3


@dataclass(frozen=True)
class StoredRun:
    """One run as the file knows it."""

    run: str
    game: str
    spec: RunSpec
    strata: tuple[int, ...]
    status: str  # running, interrupted, cancelled, failed or finished
    message: str | None
    result: RunResult | None
    started: pd.Timestamp
    changed: pd.Timestamp

    @property
    def resolved(self) -> RunSpec:
        """The specification with what was found out when the run began: the dtype."""
        return replace(self.spec, dtype=self.result.model.dtype) if self.result else self.spec


def runs(database: Database) -> list[StoredRun]:
    """All runs as they are written, the newest first; `settled` tells the killed ones."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT run, game, spec, strata, status, message, result, started, changed FROM runs ORDER BY started DESC"
        ).fetchall()
    return [_stored(row) for row in rows]


def settled(database: Database, run: StoredRun) -> StoredRun:
    """A run that says running, while no process holds it, was killed: it is interrupted."""
    if run.status != "running":
        return run
    for _ in range(_LOOKS):
        with database.claim(run.run) as free:
            if free:
                return replace(run, status="interrupted")
        time.sleep(0.005)
    return run


def find_run(database: Database, name: str) -> StoredRun:
    """The run of that name, or of the one name that begins so.

    Raises:
        RunNotFound: with the names that exist.
    """
    every = runs(database)
    matches = [run for run in every if name and run.run.startswith(name)]
    if len(matches) != 1:
        names = ", ".join(run.run for run in every[:10]) or "none yet"
        raise RunNotFound(
            f"{len(matches)} runs are called {name}." if matches else f"There is no run {name}.",
            f"Runs in {database.file}: {names}.",
        )
    return settled(database, matches[0])


def measurements(database: Database, run: StoredRun) -> Measurements:
    """Everything measured in a run's game, also by previews and other runs, in an order that favours no kind of mask.

    Raises:
        RunNotFound: the whole model has not been measured yet.
        EvaluationError: its loss is not a number.
    """
    with database.reading() as connection:
        rows = connection.execute("SELECT mask, losses FROM evaluations WHERE game = ? ORDER BY mask", [run.game])
        found = {mask: np.array(losses, dtype=np.float64) for mask, losses in rows.fetchall()}
    dense = next((losses for mask, losses in found.items() if "0" not in mask), None)
    if dense is None:
        raise RunNotFound(f"Run {run.run} has measured nothing yet.", "Start it again: python -m app run.")
    if not np.isfinite(dense).all():
        raise EvaluationError("The whole model's loss is not a number on this text.", "Try --dtype float32.")
    return usable(found, dense)


def losses(database: Database, game: str, masks: Sequence[str]) -> dict[str, Floats]:
    """What is known of some masks in a game: the loss of every sequence, nats a token."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT mask, losses FROM evaluations WHERE game = ? AND list_contains(?, mask)", [game, list(masks)]
        ).fetchall()
    return {mask: np.array(found, dtype=np.float64) for mask, found in rows}


def divergences(database: Database, run: StoredRun) -> Measurements:
    """Every KL from the whole model that was measured in a run's game, in place of losses; its own is zero."""
    with database.reading() as connection:
        rows = connection.execute("SELECT mask, kl FROM divergences WHERE game = ? ORDER BY mask", [run.game])
        found = {mask: np.array(kl, dtype=np.float64) for mask, kl in rows.fetchall()}
    if not found:
        raise RunNotFound(
            f"Run {run.run} has measured no KL yet.", f"Ask for it: python -m app values {run.run} --worth kl."
        )
    return usable(found, np.zeros_like(next(iter(found.values()))))


def measured_for(database: Database, run: StoredRun, worth: str) -> Measurements:
    """What a worth of that name follows from, of every coalition that was measured in a run's game."""
    return {LOSSES: measurements, DIVERGENCES: divergences}[WORTHS[worth].measured](database, run)


def last_selection(database: Database, run: str) -> Selection | None:
    """What the last search found for a run, if there was one."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT selection FROM selections WHERE run = ? ORDER BY changed DESC LIMIT 1", [run]
        ).fetchone()
    return from_json(Selection, row[0]) if row else None


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
    with database.reading() as connection:
        row = connection.execute("SELECT comparison FROM comparisons WHERE run = ?", [run]).fetchone()
    return from_json(Comparison, row[0]) if row else None


def size(database: Database, game: str) -> tuple[int, int]:
    """How many losses and how many divergences, as in `worth.MEASURED`, a game has: what its estimates depend on."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM evaluations WHERE game = $game), "
            "(SELECT count(*) FROM divergences WHERE game = $game)",
            {"game": game},
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def lacks_divergences(database: Database, run: StoredRun) -> bool:
    """Whether a coalition was measured in a run's game of which KL is not known."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT count(*) FROM evaluations ANTI JOIN divergences USING (game, mask) WHERE game = ?", [run.game]
        ).fetchone()
    return bool(row and row[0])


def players(database: Database, run: StoredRun) -> tuple[str, ...]:
    """Who plays in a run's game, by name; its masks are over these.

    Raises:
        RunNotFound: the game is not in the file.
    """
    with database.reading() as connection:
        row = connection.execute("SELECT model FROM games WHERE game = ?", [run.game]).fetchone()
    if row is None:
        raise RunNotFound(f"Run {run.run} has measured nothing yet.", "Start it again: python -m app run.")
    return from_json(ModelInfo, row[0]).players


def usable(found: dict[str, Floats], dense: Floats) -> Measurements:
    """What a surrogate can take of losses by mask, in the order of the masks: shuffled, so that none is favoured."""
    usable = [mask for mask, losses in found.items() if "0" in mask and not np.isnan(losses).any()]
    usable = [usable[index] for index in np.random.default_rng(0).permutation(len(usable))]
    masks = np.array([decode(mask) for mask in usable], dtype=np.bool_)
    return Measurements(masks, np.array([found[mask] for mask in usable]), dense)


def selection(database: Database, run: str, protected: Sequence[int]) -> Selection | None:
    """What a search found for a run with these layers protected, if there was one."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT selection FROM selections WHERE run = ? AND protected = ?",
            [run, json.dumps(sorted(set(protected)))],
        ).fetchone()
    return from_json(Selection, row[0]) if row else None


def diagnostics(database: Database, run: str) -> Diagnostics | None:
    """How far a run's surrogates can be trusted; None before its end, and of a run that ended in an earlier release."""
    with database.reading() as connection:
        row = connection.execute("SELECT diagnostics FROM diagnostics WHERE run = ?", [run]).fetchone()
    return from_json(Diagnostics, row[0]) if row else None


def scores(database: Database, run: str) -> Scores | None:
    """What the literature's criteria say of a run's players, if it was asked for."""
    with database.reading() as connection:
        row = connection.execute("SELECT scores FROM scores WHERE run = ?", [run]).fetchone()
    return from_json(Scores, row[0]) if row else None


def texts(database: Database, fingerprint: str, tokens: str) -> tuple[str, ...]:
    """How the sequences of some tokens begin; none where no release that keeps them has opened this game."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT texts FROM texts WHERE fingerprint = ? AND tokens = ?", [fingerprint, tokens]
        ).fetchone()
    return tuple(json.loads(row[0])) if row else ()


def count_evaluations(database: Database, game: str | None = None) -> int:
    """Evaluations in the file, of one game or of all."""
    with database.reading() as connection:
        row = connection.execute("SELECT count(*) FROM evaluations WHERE game = coalesce(?, game)", [game]).fetchone()
    return int(row[0]) if row else 0


def is_blank(database: Database) -> bool:
    """Whether nothing has ever been measured with this file."""
    with database.reading() as connection:
        row = connection.execute("SELECT count(*) FROM games").fetchone()
    return not row or row[0] == 0


def _stored(row: tuple[Any, ...]) -> StoredRun:
    run, game, spec, strata, status, message, result, started, changed = row
    return StoredRun(
        run,
        game,
        from_json(RunSpec, spec),
        tuple(strata),
        status,
        message,
        from_json(RunResult, result) if result else None,
        pd.Timestamp(started),
        pd.Timestamp(changed),
    )
