"""What tasks need is read as it was kept, and of other players than the run's it is refused."""

import math
from dataclasses import replace

import pytest

from cache.behaviour import task_needs
from cache.in_memory import InMemory
from core.errors import CacheUnreadable
from core.records.behaviour.needs import ItemMean, TaskNeeds, TaskPlan
from core.records.values import LayerValues, PairInteraction, PairInteractions, ValueEstimate

PLAYERS = 3
MEAN = ItemMean(0.5, 0.1)
PLAN = TaskPlan(1, (2,), (0,), 4, 5, MEAN, MEAN, MEAN, MEAN)
PAIRS = PairInteractions("shapley", "log_score", (PairInteraction(0, 2, 0.1, 0.0, 0.2),), None, 0.0)
VALUES = LayerValues(
    "shapley", "log_score", tuple(ValueEstimate(layer, 0.1, 0.0, 0.2) for layer in range(PLAYERS)), None, 0.0
)
NEEDS = TaskNeeds("copa", "1.0", 0, "test", 9, "copa.jsonl", "margin", 20, VALUES, 0.9, VALUES, PAIRS, (PLAN,))


def kept(needs: TaskNeeds) -> tuple[TaskNeeds, ...]:
    database = InMemory()
    with database.writing() as connection:
        task_needs.insert(connection, "run", [needs])
    return task_needs.known(database, "run", PLAYERS)


def test_it_is_read_as_it_was_kept() -> None:
    assert kept(NEEDS) == (NEEDS,)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(NEEDS, values=replace(VALUES, values=VALUES.values[1:])), "other players"),
        (replace(NEEDS, text=replace(VALUES, values=VALUES.values[::-1])), "other players"),
        (replace(NEEDS, pairs=replace(PAIRS, pairs=(replace(PAIRS.pairs[0], second=3),))), "3 is a player of a pair"),
        (replace(NEEDS, pairs=replace(PAIRS, pairs=(replace(PAIRS.pairs[0], second=0),))), "twice"),
        (replace(NEEDS, plans=(replace(PLAN, removed=(3,)),)), "3 is a removed player"),
        (replace(NEEDS, plans=(replace(PLAN, of_run=(0, 1)),)), "a plan of 1 that removes 2"),
        (replace(NEEDS, answers="luck"), "worth 'luck'"),
        (replace(NEEDS, plans=(replace(PLAN, whole=ItemMean(math.nan, 0.1)),)), "judged by no numbers"),
        (replace(NEEDS, plans=(replace(PLAN, worth=ItemMean(0.5, math.inf)),)), "judged by no numbers"),
        (replace(NEEDS, plans=(replace(PLAN, judged_on=0),)), "judged by no numbers"),
        (replace(NEEDS, plans=(replace(PLAN, count=3, removed=(0, 1, 2), of_run=(0, 1, 2)),)), "removes 3 of 3"),
    ],
)
def test_what_is_none_of_the_run_is_refused(wrong: TaskNeeds, words: str) -> None:
    with pytest.raises(CacheUnreadable, match=words):
        kept(wrong)


@pytest.mark.parametrize("column", ["task", "answers", "kind"])
def test_in_another_one_s_place_it_is_refused(column: str) -> None:
    """Two rows of one record would be two tables of one name on a page."""
    database = InMemory()
    with database.writing() as connection:
        task_needs.insert(connection, "run", [NEEDS])
        connection.execute(f"UPDATE needs SET {column} = 'other'")
    with pytest.raises(CacheUnreadable, match="another one's"):
        task_needs.known(database, "run", PLAYERS)
