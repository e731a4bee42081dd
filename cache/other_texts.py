"""What was measured of a game's model on other texts."""

import json
from collections.abc import Mapping
from typing import Any

from cache.database import Database

# Of a protocol, what makes another text or other windows of it; its first sequences, or more of them, are the same.
_TEXT = ("corpus", "split", "window", "stride", "bos", "seed", "field", "preset")
_MEANS = """
    SELECT mask, avg_rise FROM (
        SELECT mask, sum(len(losses) * (list_avg(losses) - whole)) / sum(len(losses)) AS avg_rise
        FROM evaluations JOIN (
            SELECT game, list_avg(losses) AS whole FROM evaluations WHERE game IN (SELECT unnest(?)) AND mask = ?
        ) USING (game)
        GROUP BY mask
    ) WHERE isfinite(avg_rise)
"""


def rises_elsewhere(database: Database, game: str) -> dict[str, float]:
    """By mask, how much the mean loss rises on other texts, mean over their sequences, nats a token."""
    with database.reading() as connection:
        games = connection.execute("SELECT game, model, protocol FROM games").fetchall()
        known = {name: (json.loads(model), json.loads(protocol)) for name, model, protocol in games}
        if game not in known:
            return {}
        own, text = known[game]
        others = [
            name
            for name, (model, protocol) in known.items()
            if _players(model) == _players(own) and not _same_text(protocol, text)
        ]
        whole = "1" * len(own["players"])
        return dict(connection.execute(_MEANS, [others, whole]).fetchall())


def _players(model: Mapping[str, Any]) -> tuple[object, ...]:
    """Whose coalitions compare: the weights, in whatever dtype, and who plays."""
    return model["fingerprint"], tuple(model["players"])


def _same_text(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(part) == other.get(part) for part in _TEXT)
