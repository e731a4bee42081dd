"""What is kept in memory behaves as what is kept in a file: one set of tests for both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import evaluations, labels, queries
from cache.database import Database
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import encode
from core.errors import RunNotFound
from core.records.diagnostics import Diagnostics
from core.records.plans import Comparison, Plan, Scores, Selection
from core.records.results import Precision, RunResult
from core.records.spec import ModelInfo, RunSpec, TextProtocol
from core.records.storage import Evaluation
from core.run.engine import Engine
from core.sampling.strata import stratified
from tests.support.stored import store_run

MODEL = ModelInfo("tiny", "LlamaForCausalLM", 6, 1000, "f" * 16, "float32", "cpu")
PROTOCOL = TextProtocol("tale.txt", "calibration", 8, 8, "none", 3, 0, "a" * 16)
MASKS = stratified(6, (5, 4, 3), 20, 0)
ONES = np.ones(3, np.float32)


@pytest.fixture(params=["file", "memory"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return InMemory() if request.param == "memory" else Database(tmp_path / "results.duckdb")


def test_losses_come_back_bit_by_bit(database: Database) -> None:
    store = Store(database)
    game = store.open_game(MODEL, PROTOCOL)
    losses = np.random.default_rng(0).normal(5, 1, (20, 3)).astype(np.float32)
    losses[3, 1], losses[4, 0], losses[5] = np.nan, np.inf, np.nan
    fresh = [Evaluation(encode(mask), row, 2 * row) for mask, row in zip(MASKS[:15], losses, strict=False)]
    store.record(game, [*fresh[:10], *(item._replace(divergences=None) for item in fresh[10:])])
    known = Store(database).known(game, MASKS)
    assert sorted(known) == list(range(15))
    np.testing.assert_array_equal(np.stack([known[row].losses for row in range(15)]), losses[:15])
    measured = store.measured(game)
    np.testing.assert_array_equal(measured[encode(MASKS[0])].divergences, 2 * losses[0])
    assert measured[encode(MASKS[12])].divergences is None
    assert store.known("another game", MASKS) == {} == store.measured("another game")


def test_the_first_measurement_stays(database: Database) -> None:
    store = Store(database)
    game = store.open_game(MODEL, PROTOCOL)
    assert store.open_game(MODEL, PROTOCOL) == game
    for value in (1, 2):
        store.record(game, [Evaluation(encode(MASKS[0]), value * ONES)])
    assert store.known(game, MASKS[:1])[0].losses.tolist() == [1.0] * 3
    assert evaluations.count_evaluations(database) == 1


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    store = Store(database)
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute("INSERT INTO scores VALUES ('run', '{}')")
        raise ZeroDivisionError
    assert queries.scores(database, "run") is None
    store.record("game", [Evaluation("0", ONES)])
    assert evaluations.count_evaluations(database) == 1


def test_the_life_of_a_run(database: Database) -> None:
    store = Store(database)
    game = store.open_game(MODEL, PROTOCOL)
    run = store.begin(game, RunSpec(), PROTOCOL, (5, 4))
    assert store.begin(game, RunSpec(), PROTOCOL, (5, 4)) == run
    assert store.begin(game, RunSpec(seed=1), PROTOCOL, (5, 4)) != run
    assert len(queries.runs(database)) == 2
    assert queries.find_run(database, run).status == "interrupted"
    with store.claim(run) as granted:
        assert granted and queries.find_run(database, run[:6]).status == "running"
    store.close(run, "failed", "a reason")
    found = queries.find_run(database, run)
    assert (found.status, found.message, found.spec, found.strata) == ("failed", "a reason", RunSpec(), (5, 4))
    labels.delete(database, run)
    with pytest.raises(RunNotFound, match=run):
        queries.find_run(database, run)


def test_one_claims_at_a_time(database: Database) -> None:
    with database.claim("game") as first:
        with database.claim("game") as second, database.claim("other") as other:
            assert (first, second, other) == (True, False, True)
        with database.claim("game") as third:
            assert not third, "who was refused has not ended the claim"
    with database.claim("game") as again:
        assert again


def test_everything_else_comes_back(database: Database) -> None:
    store = Store(database)
    result = store_run(database)
    run, game = result.run, queries.find_run(database, result.run).game
    assert queries.find_run(database, run).result == result
    plan = Plan(1, (2,), 900, 8.0, 7.0, 9.0, 1.1, 1.0, 1.2)
    selection = Selection(result.model, PROTOCOL, 7.5, (0,), (plan,), (plan,), 10, 1.0, 0.9)
    comparison = Comparison(result.model, PROTOCOL, replace(PROTOCOL, split="evaluation"), 7.5, ())
    scores = Scores(PROTOCOL, {"one-shot": (0.1, 0.2, *[0.3] * 6)})
    diagnostics = Diagnostics(("01111111",), (0.5,), (), (), None)
    precision = Precision("bfloat16", 0.01, 0.99, 10, 3)
    for write in (store.save_selection, store.save_comparison, store.save_scores, store.save_diagnostics):
        kept: Any = {"selection": selection, "comparison": comparison, "scores": scores, "diagnostics": diagnostics}
        write(run, kept[write.__name__.removeprefix("save_")])
    store.save_precision(game, precision)
    store.record_texts("f" * 16, "a" * 16, ["Once", "upon"])
    assert queries.selection(database, run, (0,)) == selection == queries.last_selection(database, run)
    assert queries.comparison(database, run) == comparison
    assert queries.scores(database, run) == scores
    assert queries.diagnostics(database, run) == diagnostics
    assert store.precision(game) == precision
    assert queries.texts(database, "f" * 16, "a" * 16) == ("Once", "upon")


def test_revision_changes_with_the_contents(database: Database) -> None:
    before = database.revision()
    queries.runs(database)
    assert database.revision() == before
    Store(database).open_game(MODEL, PROTOCOL)
    assert database.revision() != before


def test_a_run_ends_alike_in_memory_and_in_a_file(spec: RunSpec, tmp_path: Path) -> None:
    def ended(database: Database) -> tuple[RunResult, Any]:
        list(Engine(Store(database)).run(spec))
        [run] = queries.runs(database)
        assert run.result is not None and run.status == "finished"
        return replace(run.result, seconds=0.0), evaluations.measurements(database, run)

    in_memory, measured = ended(memory := InMemory())
    in_file, as_measured = ended(Database(tmp_path / "results.duckdb"))
    assert in_memory == in_file
    np.testing.assert_array_equal(measured.losses, as_measured.losses)
    again = list(Engine(Store(memory)).run(spec))[-1]
    assert vars(again)["result"].measured == 0, "what memory holds is not measured again"
