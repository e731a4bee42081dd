"""Records as a results file holds them, which may come from anybody: ours, or refused by name."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from core.coalitions.players import check
from core.errors import CacheUnreadable
from core.records.reader import from_json
from core.records.spec import ModelInfo

Record = TypeVar("Record")


def stored(kind: type[Record], text: str, file: Path, name: Hashable) -> Record:
    """A record from its JSON, whose model has players that are some.

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
        model: Any = record if isinstance(record, ModelInfo) else getattr(record, "model", None)
        if isinstance(model, ModelInfo):
            check(model.players, model.layers)
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise refusal(file, name, f"{where}: {first['msg']}" if where else first["msg"]) from cause
    except ValueError as cause:
        raise refusal(file, name, str(cause)) from cause
    return record


def refusal(file: Path, name: Hashable, cause: str) -> CacheUnreadable:
    """What is said of a record that is not ours."""
    return CacheUnreadable(
        f"{file} says of {name} what Quorum never writes: {cause[:300]}.",
        "It was changed by something else. Name another file with --cache FILE.",
    )
