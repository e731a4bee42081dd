"""What runs have measured of a game's model on other texts."""

import json
from collections.abc import Mapping
from typing import Any

from cache.database import Database

# Of a text, each mask in the game that has most sequences of it: its first ones, or other windows, are games too.
_RISES = """
    SELECT text, mask, arg_max(list_avg(losses) - whole, len(losses)) AS rise
    FROM evaluations
    JOIN (SELECT game, list_avg(losses) AS whole FROM evaluations WHERE mask = $whole) USING (game)
    JOIN (SELECT unnest($games) AS game, unnest($texts) AS text) USING (game)
    WHERE isfinite(list_avg(losses) - whole)
    GROUP BY text, mask
"""


def rises_elsewhere(database: Database, game: str) -> list[dict[str, float]]:
    """For each other text, by mask, how much the mean loss rises on its calibration half, nats a token.

    Other windows of the game's own text are none: those that judge a choice must not take part in it.
    """
    with database.reading() as connection:
        rows = connection.execute("SELECT game, model, protocol FROM games").fetchall()
        known = {name: (json.loads(model), json.loads(protocol)) for name, model, protocol in rows}
        if game not in known:
            return []
        model, protocol = known[game]
        own = _text(protocol)
        others = {
            name: _text(other)
            for name, (whose, other) in known.items()
            if _players(whose) == _players(model) and other["split"] == "calibration" and _text(other) != own
        }
        asked = {"games": list(others), "texts": list(others.values()), "whole": "1" * len(model["players"])}
        found: dict[str, dict[str, float]] = {}
        for text, mask, rise in connection.execute(_RISES, asked).fetchall():
            found.setdefault(text, {})[mask] = rise
    return [found[text] for text in sorted(found)]


def _players(model: Mapping[str, Any]) -> tuple[object, ...]:
    """Whose coalitions compare: the weights, in whatever dtype, and who plays."""
    return model["fingerprint"], tuple(model["players"])


def _text(protocol: Mapping[str, Any]) -> str:
    return json.dumps([protocol["corpus"], protocol.get("field", "")])
