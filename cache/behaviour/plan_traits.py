"""What was measured of models without some players beside their perplexity, in a results file."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from cache.consistent import check_trait
from cache.database import Database
from cache.keys import model_key
from cache.stored_records import refusal, stored
from core.coalitions.masks import encode, without
from core.records.behaviour.traits import KINDS, Trait, Traits, kind_of, measured_by
from core.records.spec import ModelInfo


def known(database: Database, model: ModelInfo, masks: Sequence[str]) -> dict[str, Traits]:
    """What is stored of a model with the players of each mask.

    Raises:
        CacheUnreadable: a row that this release would not have written.
    """
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT mask, kind, record FROM traits WHERE model = ? AND list_contains(?, mask) ORDER BY measured",
            [model_key(model), list(dict.fromkeys(masks))],
        ).fetchall()
    found = {mask: Traits() for mask in masks}
    for mask, kind, text in rows:
        if kind not in KINDS:
            raise refusal(database.file, f"mask {mask}", f"a trait of a kind {kind[:40]!r}")
        trait = stored(KINDS[kind], text, database.file, f"mask {mask}")
        try:
            check_trait(trait, model.players, mask)
            how = measured_by(trait)
        except (ValueError, KeyError) as cause:  # a protocol of words that there are not
            raise refusal(database.file, f"mask {mask}", str(cause)) from cause
        getattr(found[mask], kind)[how] = trait
    return found


def of_removals(
    database: Database, model: ModelInfo, removals: Sequence[tuple[int, ...]]
) -> dict[tuple[int, ...], Traits]:
    """The same by the places of the players that are switched off."""
    masks = {removed: encode(without(len(model.players), removed)) for removed in removals}
    found = known(database, model, list(masks.values()))
    return {removed: found[mask] for removed, mask in masks.items()}


def insert(connection: DuckDBPyConnection, model: ModelInfo, mask: str, found: Sequence[Trait]) -> None:
    """Adds what was measured; it replaces what was measured in the same way."""
    for trait in found:
        connection.execute(
            "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?, ?)",
            [model_key(model), mask, kind_of(trait), measured_by(trait), json.dumps(asdict(trait)), _now()],
        )


def _now() -> datetime:
    """In UTC, wherever this is: the newest of two is told by it."""
    return datetime.now(UTC).replace(tzinfo=None)
