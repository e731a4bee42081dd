"""Records and rows of a results file that are consistent with SQL and with nothing else: refused by name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from cache import evaluations, queries
from cache.database import Database
from cache.exchange.parquet import export_evaluations
from cache.store import Store
from core.errors import CacheUnreadable
from core.records.diagnostics import Diagnostics
from core.records.mends import CompensatedPlan
from core.records.plans import Comparison, MethodResult, Plan, Scores, Selection
from tests.support.stored import store_run


def changed_by(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Puts a value where a path of keys and places leads."""

    def change(record: dict[str, Any]) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        inner: Any = record
        for step in way:
            inner = inner[step]
        inner[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "cause"),
    [
        ("contributions.0.layer", 8, "contributions of other players"),
        ("contributions.0.layer", -1, "contributions of other players"),
        ("contributions.9.layer", 10**9, "contributions of other players"),
        ("contributions", [], "contributions of other players"),
        ("interactions.pairs.0.first", 8, "8 is a player of a pair"),
        ("interactions.pairs.0.second", -2, "-2 is a player of a pair"),
        ("strata", [10**9], "1000000000 is a number of kept players"),
        ("strata", [0], "0 is a number of kept players"),
        ("layer_parameters", [1, 2], "2 numbers of parameters, where there are 8"),
        ("learnt", [{"log": True, "kernel": [1.0], "fifths": []}], "1 numbers of a kernel, where there are 10"),
        ("model.attention", [8], "8 is a layer of attention"),
        ("model.players", ["0", "1"], "is a number of kept players, where there are 1 to 2"),
    ],
)
def test_results_that_name_players_beyond_the_model_s_are_refused(
    cache_file: Path, path: str, value: object, cause: str
) -> None:
    run = store_run(Database(cache_file), count=20).run
    with duckdb.connect(cache_file) as connection:
        [[text]] = connection.execute("SELECT result FROM runs").fetchall()
        changed_by(path, value)(record := json.loads(text))
        connection.execute("UPDATE runs SET result = ?", [json.dumps(record)])
    found = queries.find_run(Database(cache_file), run)
    with pytest.raises(CacheUnreadable, match=cause) as refused:
        _ = found.result
    assert run in refused.value.message


PLAN = Plan(1, (2,), 900, 8.0, 7.0, 9.0, 1.1, 1.0, 1.2)


@pytest.mark.parametrize(
    ("plans", "protected", "cause"),
    [
        ((replace(PLAN, removed=(8,)),), (), "8 is a removed player"),
        ((replace(PLAN, removed=(-1,)),), (), "-1 is a removed player"),
        ((replace(PLAN, removed=(1, 2)),), (), "a plan of 1 that removes 2"),
        ((replace(PLAN, count=2, removed=(1, 1)),), (), "named twice"),
        ((replace(PLAN, count=8, removed=tuple(range(8))),), (), "a plan of 8 that removes 8 of 8"),
        ((replace(PLAN, count=0, removed=()),), (), "a plan of 0"),
        ((PLAN,), (9,), "9 is a protected player"),
        ((), (), "without a plan"),
    ],
)
def test_plans_of_players_that_there_are_not_are_refused(
    cache_file: Path, plans: tuple[Plan, ...], protected: tuple[int, ...], cause: str
) -> None:
    database = Database(cache_file)
    result = store_run(database, count=20)
    found = Selection(result.model, result.protocol, 7.5, protected, plans, (), 10, 1.0, 0.9)
    Store(database).save_selection(result.run, found)
    with pytest.raises(CacheUnreadable, match=cause):
        queries.last_selection(database, result.run)
    if plans and not protected:
        methods = (MethodResult("quorum", plans, 1, 1, 1.0, 1.0),)
        compared = Comparison(result.model, result.protocol, result.protocol, 7.5, methods)
        Store(database).save_comparison(result.run, compared)
        with pytest.raises(CacheUnreadable, match=cause):
            queries.comparison(database, result.run)


def test_what_is_of_another_game_than_its_run_is_refused(cache_file: Path) -> None:
    database = Database(cache_file)
    result, store = store_run(database, count=20), Store(database)
    other = replace(result.model, layers=9, players=tuple(map(str, range(9))))
    store.save_selection(result.run, Selection(other, result.protocol, 7.5, (), (PLAN,), (), 10, 1.0, 0.9))
    store.save_comparison(result.run, Comparison(other, result.protocol, result.protocol, 7.5, ()))
    words = Comparison(result.model, result.protocol, result.protocol, 7.5, (), "<b>refit</b>")
    gone = CompensatedPlan((9,), 8.0, 7.0, 6.0, 8.0, ())
    after = MethodResult("sleb", (), 1, 1, 1.0, 1.0, (gone,))
    beyond = Comparison(result.model, result.protocol, result.protocol, 7.5, (after,), "refit", result.protocol)
    for told, cause in ((words, "a compensation '<b>"), (beyond, "9 is a removed player")):
        store.save_comparison(result.run, told)
        with pytest.raises(CacheUnreadable, match=cause):
            queries.comparison(database, result.run)
    store.save_comparison(result.run, Comparison(other, result.protocol, result.protocol, 7.5, ()))
    store.save_scores(result.run, Scores(result.protocol, {"taylor": (0.5,)}))
    store.save_diagnostics(result.run, Diagnostics(("0111",), (0.5,), (), (), None))
    for query in (queries.last_selection, queries.comparison, queries.scores, queries.diagnostics):
        with pytest.raises(CacheUnreadable, match="never writes"):
            query(database, result.run)
    store.save_diagnostics(result.run, Diagnostics(("01111111",), (0.5, 0.5), (), (), None))
    with pytest.raises(CacheUnreadable, match="2 scores of 1 masks"):
        queries.diagnostics(database, result.run)


@pytest.mark.parametrize(
    ("column", "value", "cause"),
    [
        ("game", "../../outside", "its game is '../../outside'"),
        ("game", "/tmp/outside", "its game is"),
        ("game", "x" * 300, "its game is"),
        ("status", "<b>done</b>", "its status is"),
        ("strata", [10**9], "its strata are"),
        ("strata", [-1], "its strata are"),
        ("strata", [None], "its strata are"),
    ],
)
def test_a_run_s_own_columns_are_held_to_what_they_may_be(
    cache_file: Path, column: str, value: object, cause: str
) -> None:
    """A game's name becomes the name of a file, as a run's does."""
    run = store_run(Database(cache_file), count=20).run
    with duckdb.connect(cache_file) as connection:
        connection.execute(f"UPDATE runs SET {column} = ?", [value])
    with pytest.raises(CacheUnreadable, match="never writes") as refused:
        queries.find_run(Database(cache_file), run)
    assert cause in refused.value.message


@pytest.mark.parametrize("mask", ["1", "1" * 9, "1111111x", "", "00000002"])
@pytest.mark.parametrize("table", ["evaluations", "divergences"])
def test_masks_that_are_none_over_the_players_are_refused(cache_file: Path, table: str, mask: str) -> None:
    database = Database(cache_file)
    run = store_run(database, count=20, kl=True).run
    with duckdb.connect(cache_file) as connection:
        game = connection.execute("SELECT game FROM runs").fetchall()[0][0]
        connection.execute(f"INSERT INTO {table} VALUES (?, ?, [1, 1, 1, 1])", [game, mask])
        if table == "divergences":
            connection.execute("INSERT OR IGNORE INTO evaluations VALUES (?, ?, [1, 1, 1, 1])", [game, mask])
    found = queries.find_run(database, run)
    for query in (evaluations.measurements, evaluations.divergences, export_evaluations):
        if query is not evaluations.divergences or table == "divergences":
            with pytest.raises(CacheUnreadable, match="is no mask over 8 players"):
                query(database, found)
    with pytest.raises(CacheUnreadable, match="is no mask over 8 players"):
        Store(database).measured(found.game)


@pytest.mark.parametrize("losses", ["[]", "[1]", "[1, 1, 1, 1, 1]"])
def test_losses_of_another_number_of_sequences_are_refused(cache_file: Path, losses: str) -> None:
    database = Database(cache_file)
    run, mask = store_run(database, count=20).run, "1" * 8
    with duckdb.connect(cache_file) as connection:
        connection.execute(f"UPDATE evaluations SET losses = {losses} WHERE mask = ?", [mask])
    found = queries.find_run(database, run)
    with pytest.raises(CacheUnreadable, match="losses of 4 sequences for mask 11111111"):
        evaluations.measurements(database, found)
    with pytest.raises(CacheUnreadable, match="losses of 4 sequences"):
        evaluations.losses(database, found.game, [mask])
    with pytest.raises(CacheUnreadable, match="losses of 4 sequences"):
        Store(database).known(found.game, np.ones((1, 8), dtype=np.bool_))
