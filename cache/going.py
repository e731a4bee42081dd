"""How many layers can go: of every run, by the best plans known, before measured perplexity is a fifth higher."""

from collections import defaultdict
from contextlib import suppress

import numpy as np
import pandas as pd

from cache import evaluations
from cache.database import Database
from cache.stored_records import stored
from core.coalitions.masks import encode, without
from core.coalitions.measurements import Floats
from core.errors import CacheError
from core.records.plans import Plan, Selection
from core.selection.targets import ACCEPTED


def every(database: Database) -> dict[str, int]:
    """Of each run with a search what its last one has come to: found when it is first listed, and kept."""
    with database.reading() as connection:
        rows = connection.execute("""
            SELECT run, game, arg_max_null(can_go, selections.changed),
                CASE WHEN bool_or(can_go IS NULL) THEN arg_max(selection, selections.changed) END
            FROM selections JOIN runs USING (run) GROUP BY run, game
        """).fetchall()
    known = {run: count for run, _, count, _ in rows if count is not None}
    fresh: dict[str, dict[str, Selection]] = defaultdict(dict)
    for run, game, count, text in rows:
        if count is None:
            fresh[game][run] = stored(Selection, text, database.file, f"run {run}")
    found = {run: count for game, searches in fresh.items() for run, count in _can_go(database, game, searches).items()}
    if found:
        with suppress(CacheError), database.writing() as connection:  # a file may be another's, only to be read
            connection.register("found", pd.DataFrame(found.items(), columns=["run", "count"]))
            connection.execute("UPDATE selections SET can_go = found.count FROM found WHERE selections.run = found.run")
    return known | found


def _can_go(database: Database, game: str, searches: dict[str, Selection]) -> dict[str, int]:
    """By searches for runs of one game: on its own text where plans are measured there, or else on the search's."""
    masks = {mask for found in searches.values() for mask in _masks(found)}
    measured = evaluations.losses(database, game, list(masks))
    return {
        run: max((plan.count for plan in found.plans if _ratio(found, plan, measured) <= 1 + ACCEPTED), default=0)
        for run, found in searches.items()
    }


def _masks(found: Selection) -> list[str]:
    players = len(found.model.players)
    return ["1" * players, *(encode(without(players, plan.removed)) for plan in found.plans)]


def _ratio(found: Selection, plan: Plan, measured: dict[str, Floats]) -> float:
    """The perplexity over the whole model's."""
    players = len(found.model.players)
    whole, known = measured.get("1" * players), measured.get(encode(without(players, plan.removed)))
    return plan.ratio if known is None or whole is None else float(np.exp((known - whole).mean()))
