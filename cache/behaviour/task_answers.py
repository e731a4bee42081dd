"""What models answered to the items of tasks, in a results file."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from duckdb import DuckDBPyConnection

from cache.database import Database
from cache.keys import model_key
from cache.stored_records import refusal
from core.records.behaviour.task_scores import Answer
from core.records.spec import ModelInfo


def known(database: Database, model: ModelInfo, mask: str, items: Sequence[str]) -> dict[str, Answer]:
    """What is stored of a model with the players of `mask`, by the digests of items.

    Raises:
        CacheUnreadable: a row that this release would not have written.
    """
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT item, likelihoods, greedy FROM answers WHERE model = ? AND mask = ? AND list_contains(?, item)",
            [model_key(model), mask, list(dict.fromkeys(items))],
        ).fetchall()
    for item, likelihoods, greedy in rows:
        sound = all(number is not None and -math.inf < number <= 0 for number in likelihoods)
        if not likelihoods or len(likelihoods) != len(greedy) or None in greedy or not sound:
            raise refusal(database.file, f"item {item}", "an answer that is none")
    return {item: Answer(tuple(likelihoods), tuple(greedy)) for item, likelihoods, greedy in rows}


def insert(connection: DuckDBPyConnection, model: ModelInfo, answers: Mapping[str, Mapping[str, Answer]]) -> None:
    """Adds answers by masks and the digests of items; what is there already stays."""
    rows = [
        (mask, item, list(found.likelihoods), list(found.greedy))
        for mask, of_mask in answers.items()
        for item, found in of_mask.items()
    ]
    connection.register("answered", pd.DataFrame(rows, columns=["mask", "item", "likelihoods", "greedy"]))
    connection.execute(
        "INSERT OR IGNORE INTO answers SELECT ?, mask, item, likelihoods, greedy FROM answered", [model_key(model)]
    )
    connection.unregister("answered")
