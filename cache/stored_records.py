"""Records as a results file holds them, which may come from anybody: ours, or refused by name."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from duckdb import DuckDBPyConnection
from pydantic import ValidationError

from cache.consistent import check_mask, check_players, check_record
from core.errors import CacheUnreadable
from core.records.reader import from_json
from core.records.spec import ModelInfo, TextProtocol

Record = TypeVar("Record")


def stored(kind: type[Record], text: str, file: Path, name: Hashable) -> Record:
    """A record from its JSON, whose players are those of its model.

    Args:
        kind: the record's.
        text: its JSON.
        file: the results file, for the error.
        name: of what the record belongs to there: a run, a game.

    Raises:
        CacheUnreadable: this release would not have written it, nor did an earlier one.
    """
    try:
        record = from_json(kind, text)
        check_record(record)
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise refusal(file, name, f"{where}: {first['msg']}" if where else first["msg"]) from cause
    except ValueError as cause:
        raise refusal(file, name, str(cause)) from cause
    return record


def stored_of(kind: type[Record], text: str, file: Path, run: str, model: str | None) -> Record:
    """The same of a run whose game has that model, as JSON; None where the file does not have the game."""
    record = stored(kind, text, file, f"run {run}")
    if model is not None:
        try:
            check_players(record, stored(ModelInfo, model, file, f"the game of run {run}").players)
        except ValueError as cause:
            raise refusal(file, f"run {run}", str(cause)) from cause
    return record


def check_rows(connection: DuckDBPyConnection, file: Path, game: str, rows: Sequence[Sequence[Any]]) -> None:
    """Refuses evaluations that are none of their game's.

    Args:
        connection: on which its model and protocol are read.
        file: the results file, for the error.
        game: whose they are.
        rows: a mask each, and lists of one number for each sequence, or None in their place.

    Raises:
        CacheUnreadable: a mask that is none over its players, or another number of losses than it has sequences.
    """
    about = connection.execute("SELECT model, protocol FROM games WHERE game = ?", [game]).fetchone()
    if about is None:
        return
    players = len(stored(ModelInfo, about[0], file, f"game {game}").players)
    sequences = stored(TextProtocol, about[1], file, f"game {game}").sequences
    for mask, *lists in rows:
        try:
            check_mask(mask, players)
        except ValueError as cause:
            raise refusal(file, f"game {game}", str(cause)) from cause
        for found in lists:
            if found is not None and len(found) != sequences:
                raise refusal(file, f"game {game}", f"{len(found)} losses of {sequences} sequences for mask {mask}")


def refusal(file: Path, name: Hashable, cause: str) -> CacheUnreadable:
    """What is said of a record that is not ours."""
    return CacheUnreadable(
        f"{file} says of {name} what Quorum never writes: {cause[:300]}.",
        "It was changed by something else. Name another file with --cache FILE.",
    )
