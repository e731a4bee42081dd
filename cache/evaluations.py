"""What was measured in a game, read from the results file: for estimates, for pages, and for whoever counts."""

from collections.abc import Sequence

import numpy as np

from cache.database import Database
from cache.queries import StoredRun
from cache.stored_records import check_rows
from core.coalitions.masks import decode
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import DIVERGENCES, LOSSES, WORTHS
from core.errors import EvaluationError, RunNotFound


def measurements(database: Database, run: StoredRun) -> Measurements:
    """Everything measured in a run's game, also by previews and other runs, in an order that favours no kind of mask.

    Raises:
        RunNotFound: the whole model has not been measured yet.
        EvaluationError: its loss is not a number.
    """
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT mask, losses FROM evaluations WHERE game = ? ORDER BY mask", [run.game]
        ).fetchall()
        check_rows(connection, database.file, run.game, rows)
    found = {mask: np.array(losses, dtype=np.float64) for mask, losses in rows}
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
        check_rows(connection, database.file, game, rows)
    return {mask: np.array(found, dtype=np.float64) for mask, found in rows}


def divergences(database: Database, run: StoredRun) -> Measurements:
    """Every KL from the whole model that was measured in a run's game, in place of losses; its own is zero."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT mask, kl FROM divergences WHERE game = ? ORDER BY mask", [run.game]
        ).fetchall()
        check_rows(connection, database.file, run.game, rows)
    found = {mask: np.array(kl, dtype=np.float64) for mask, kl in rows}
    if not found:
        raise RunNotFound(
            f"Run {run.run} has measured no KL yet.", f"Ask for it: python -m app values {run.run} --worth kl."
        )
    return usable(found, np.zeros_like(next(iter(found.values()))))


def measured_for(database: Database, run: StoredRun, worth: str) -> Measurements:
    """What a worth of that name follows from, of every coalition that was measured in a run's game."""
    return {LOSSES: measurements, DIVERGENCES: divergences}[WORTHS[worth].measured](database, run)


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


def usable(found: dict[str, Floats], dense: Floats) -> Measurements:
    """What a surrogate can take of losses by mask, in the order of the masks: shuffled, so that none is favoured."""
    usable = [mask for mask, losses in found.items() if "0" in mask and not np.isnan(losses).any()]
    usable = [usable[index] for index in np.random.default_rng(0).permutation(len(usable))]
    masks = np.array([decode(mask) for mask in usable], dtype=np.bool_)
    return Measurements(masks, np.array([found[mask] for mask in usable]), dense)


def count_evaluations(database: Database, game: str | None = None) -> int:
    """Evaluations in the file, of one game or of all."""
    with database.reading() as connection:
        row = connection.execute("SELECT count(*) FROM evaluations WHERE game = coalesce(?, game)", [game]).fetchone()
    return int(row[0]) if row else 0
