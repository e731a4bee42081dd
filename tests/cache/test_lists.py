"""Lists of runs: what they say of results without reading them, and how many layers can go."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cache import going, queries
from cache.database import Database
from cache.store import Store
from core.attribution.stability import findings
from core.coalitions.masks import encode, without
from core.records.plans import Plan, Selection
from core.records.results import RunResult
from core.records.storage import Evaluation
from tests.support.stored import DENSE, store_run


@pytest.fixture
def database(cache_file: Path) -> Database:
    return Database(cache_file)


def plan(removed: tuple[int, ...], ratio: float) -> Plan:
    return Plan(len(removed), removed, 900, 8.0, 7.0, 9.0, ratio, ratio, ratio)


def search(result: RunResult, *plans: Plan) -> Selection:
    return Selection(result.model, result.protocol, 7.5, (), plans, (), 10, 1.0, 0.9)


def test_a_list_says_what_the_results_say_and_reads_none(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = store_run(database, count=30)
    assert queries.runs(database)[0].result == stored
    asked: list[str] = []
    monkeypatch.setattr(queries, "result_of", lambda _, run: asked.append(run))
    [run] = queries.runs(database)
    said = run.findings
    assert said == findings(stored) and asked == []
    assert said.matters_most == max(stored.overall, key=lambda item: item.value).layer.__str__()
    _ = run.result, run.result
    assert asked == [stored.run], "once"


def test_what_an_earlier_release_has_kept_is_said_alike(database: Database) -> None:
    stored = store_run(database, count=30)
    Store(database).save_selection(stored.run, search(stored, plan((2,), 1.1)))
    before = queries.runs(database), going.every(database)
    with database.writing() as connection:
        connection.execute("UPDATE runs SET findings = NULL")
        connection.execute("UPDATE selections SET can_go = NULL")
    assert (queries.runs(database), going.every(database)) == before
    with database.reading() as connection:
        assert connection.execute("SELECT findings IS NULL FROM runs").fetchall() == [(False,)], "from now on"
        assert connection.execute("SELECT can_go FROM selections").fetchall() == [(1,)]


def test_how_many_can_go_by_hand(database: Database) -> None:
    """What is measured on the run's own text counts, and where nothing is, the ratio on the search's."""
    stored = store_run(database, count=30)
    assert going.every(database) == {}, "nothing was searched for"
    two, three = (2, 3), (2, 3, 4)
    # Of removing one layer the run's own text is known: exp(cost) is 1.02 to 1.3.
    found = search(stored, plan((2,), 9.0), plan(two, 1.2), plan(three, 1.21))
    Store(database).save_selection(stored.run, found)
    assert going.every(database) == {stored.run: 2}
    [run] = queries.runs(database)
    for cost, count in ((0.18, 3), (0.19, 2)):
        mask = encode(without(8, three))
        with database.writing() as connection:
            connection.execute("DELETE FROM evaluations WHERE mask = ?", [mask])
        Store(database).record(run.game, [Evaluation(mask, (DENSE + cost).astype(np.float32), None)])
        Store(database).save_selection(stored.run, found)
        assert going.every(database) == {stored.run: count}
    Store(database).save_selection(stored.run, replace(found, plans=(plan(two, 1.3),)))
    assert going.every(database) == {stored.run: 0}
