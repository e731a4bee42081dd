"""What was taken in from another results file says so, and can be taken out again; what was measured here stays."""

from pathlib import Path

import numpy as np
import pytest

from cache import queries
from cache.database import Database
from cache.evaluations import count_evaluations
from cache.exchange.imports import imports, take_out
from cache.exchange.parquet import export_evaluations, import_evaluations
from cache.store import Store
from core.coalitions.masks import encode
from core.errors import NotEvaluations
from core.records.storage import Evaluation
from tests.support.stored import store_run


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    other = Database(tmp_path / "other.duckdb")
    store_run(other)
    return export_evaluations(other, queries.runs(other)[0])


def test_what_was_measured_here_is_nobody_else_s(cache_file: Path, content: bytes) -> None:
    database = Database(cache_file)
    store_run(database)  # the same game, all of it
    before = count_evaluations(database)
    found = import_evaluations(database, content, "theirs.parquet")
    assert found.fresh == 0 and found.evaluations == before
    [taken] = imports(database)
    assert (taken.name, taken.game, taken.evaluations) == ("theirs.parquet", found.game, 0)
    take_out(database, taken.sha256[:8])
    assert count_evaluations(database) == before and not imports(database)


def test_what_came_with_a_file_goes_with_it(cache_file: Path, content: bytes) -> None:
    database, own = Database(cache_file), Evaluation("00000001", np.full(4, 7.0, np.float32))
    game = import_evaluations(database, content, "theirs.parquet").game
    Store(database).record(game, [own])
    import_evaluations(database, content, "again.parquet")  # the same file under another name
    [taken] = imports(database, game)
    assert taken.evaluations == count_evaluations(database) - 1 and not imports(database, "another game")
    gone = take_out(database, taken.sha256)
    assert gone == taken and not imports(database)
    assert list(Store(database).measured(game)) == [own.mask]


def test_a_value_that_was_measured_first_stays(cache_file: Path, content: bytes, tmp_path: Path) -> None:
    database, mask = Database(cache_file), encode(np.ones(8, dtype=np.bool_))
    elsewhere = Database(tmp_path / "third.duckdb")
    game = import_evaluations(elsewhere, content).game
    with elsewhere.reading() as connection:
        row = connection.execute("SELECT game, model, protocol FROM games").fetchone()
    with database.writing() as connection:
        connection.execute("INSERT INTO games (game, model, protocol) VALUES (?, ?, ?)", row)
    Store(database).record(game, [Evaluation(mask, np.full(4, 5.0, np.float32))])
    import_evaluations(database, content)
    assert Store(database).measured(game)[mask].losses.tolist() == [5.0] * 4
    take_out(database, imports(database)[0].sha256)
    assert list(Store(database).measured(game)) == [mask]


def test_runs_that_counted_on_it_say_so_when_it_is_gone(cache_file: Path, content: bytes) -> None:
    database = Database(cache_file)
    result = store_run(database)
    with database.writing() as connection:
        connection.execute("DELETE FROM evaluations")
    import_evaluations(database, content, "theirs.parquet")
    [run] = queries.runs(database)
    before = run.status
    take_out(database, imports(database)[0].sha256)
    [run] = queries.runs(database)
    assert run.result == result and (run.status == "cancelled" or before != "finished")


@pytest.mark.parametrize("name", ["", "abc", "zzzzzzzz"])
def test_a_name_that_names_no_file_is_told_which_there_are(cache_file: Path, content: bytes, name: str) -> None:
    database = Database(cache_file)
    import_evaluations(database, content, "theirs.parquet")
    with pytest.raises(NotEvaluations) as refused:
        take_out(database, name)
    assert "theirs.parquet" in refused.value.hint
