"""What was measured of models without some players beside their perplexity, in a results file."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from duckdb import DuckDBPyConnection

from cache.database import Database
from cache.keys import model_key
from cache.stored_records import refusal, stored
from core.coalitions.masks import encode, without
from core.records.behaviour.traits import KINDS, Trait, Traits, kind_of, measured_by
from core.records.behaviour.writes import Behaviour
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
        getattr(found[mask], kind)[measured_by(trait)] = trait
    return found


def of_removals(
    database: Database, model: ModelInfo, removals: Sequence[tuple[int, ...]]
) -> dict[tuple[int, ...], Traits]:
    """The same by the places of the players that are switched off."""
    masks = {removed: encode(without(len(model.players), removed)) for removed in removals}
    found = known(database, model, list(masks.values()))
    return {removed: found[mask] for removed, mask in masks.items()}


def judgement(database: Database, model: ModelInfo, removed: Sequence[int]) -> Behaviour | None:
    """The last verdict on the writing of a model without some players, if there was one."""
    gone = tuple(removed)
    return next(reversed(of_removals(database, model, [gone])[gone].writes.values()), None)


def insert(connection: DuckDBPyConnection, model: ModelInfo, mask: str, found: Sequence[Trait]) -> None:
    """Adds what was measured; it replaces what was measured in the same way."""
    for trait in found:
        connection.execute(
            "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?, now())",
            [model_key(model), mask, kind_of(trait), measured_by(trait), json.dumps(asdict(trait))],
        )
