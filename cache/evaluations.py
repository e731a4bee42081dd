"""What was measured in a game, read from the results file: for estimates, for pages, and for whoever counts."""

from collections.abc import Sequence

import numpy as np

from cache.basis import asked, taken
from cache.database import Database
from cache.queries import StoredRun
from cache.stored_records import check_rows, stored
from core.coalitions.masks import decode, encode, without
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import DIVERGENCES, LOSSES, WORTHS
from core.errors import EvaluationError, RunNotFound
from core.evaluate.perplexity import perplexity_interval
from core.records.spec import ModelInfo, TextProtocol

Perplexity = tuple[float, float, float]  # and its 90 % interval


def measurements(database: Database, run: StoredRun) -> Measurements:
    """What the estimates of a run rest on (`cache.basis`), in an order that favours no kind of mask.

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
    return usable(_taken(database, run, found), dense)


def losses(database: Database, game: str, masks: Sequence[str]) -> dict[str, Floats]:
    """What is known of some masks in a game: the loss of every sequence, nats a token."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT mask, losses FROM evaluations WHERE game = ? AND list_contains(?, mask)", [game, list(masks)]
        ).fetchall()
        check_rows(connection, database.file, game, rows)
    return {mask: np.array(found, dtype=np.float64) for mask, found in rows}


def games_of(database: Database, model: ModelInfo) -> list[tuple[str, TextProtocol]]:
    """The games of a model with these players, in its dtype: their names, and on what text they were measured."""
    with database.reading() as connection:
        rows = connection.execute("SELECT game, model, protocol FROM games ORDER BY game").fetchall()
    every = [
        (
            game,
            stored(ModelInfo, of, database.file, f"game {game}"),
            stored(TextProtocol, on, database.file, f"game {game}"),
        )
        for game, of, on in rows
    ]
    asked = model.fingerprint, model.dtype, model.players
    return [(game, on) for game, of, on in every if (of.fingerprint, of.dtype, of.players) == asked]


def divergences(database: Database, run: StoredRun) -> Measurements:
    """The same with KL from the whole model in place of losses, where it was measured; the whole model's is zero."""
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
    return usable(_taken(database, run, found), np.zeros_like(next(iter(found.values()))))


def measured_for(database: Database, run: StoredRun, worth: str) -> Measurements:
    """What a worth of that name follows from, of the coalitions that the estimates of a run rest on."""
    return {LOSSES: measurements, DIVERGENCES: divergences}[WORTHS[worth].measured](database, run)


def lacks_divergences(database: Database, run: StoredRun) -> bool:
    """Whether KL is not known of a coalition that the estimates of a run rest on."""
    with database.reading() as connection:
        rows = connection.execute("SELECT mask FROM divergences WHERE game = ?", [run.game]).fetchall()
    return not taken(database, asked(database, run)) <= {mask for (mask,) in rows}


def perplexity_without(found: dict[str, Floats], players: int, removed: Sequence[int]) -> Perplexity | None:
    """The perplexity without some players, if it is among what `losses` has found, and its 90 % interval.

    The interval is for other text of this kind, of the ratio to the whole model's perplexity, times the latter: paired,
    since sequences that are hard for one are hard for the other.
    """
    mask, whole = encode(without(players, removed)), "1" * players
    if mask not in found or whole not in found:
        return None
    ratio, low, high = perplexity_interval(found[mask] - found[whole])
    dense = float(np.exp(found[whole].mean()))
    return ratio * dense, low * dense, high * dense


def measured_without(database: Database, game: str, players: int, removed: Sequence[int]) -> Perplexity | None:
    """The perplexity of a game without some players, if it was measured, and its 90 % interval."""
    masks = [encode(without(players, removed)), "1" * players]
    return perplexity_without(losses(database, game, masks), players, removed)


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


def _taken(database: Database, run: StoredRun, found: dict[str, Floats]) -> dict[str, Floats]:
    """Of all that is known of a game, the part that the estimates of a run rest on."""
    masks = taken(database, asked(database, run))
    return {mask: values for mask, values in found.items() if mask in masks}
