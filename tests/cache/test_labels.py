"""What people say of runs: kept, found by, archived, deleted with a week to bring it back; evaluations stay."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cache import evaluations, labels, queries
from cache.database import Database
from cache.schema.migrations import MIGRATIONS
from cache.store import Store
from core.errors import NotAllowed, RunNotFound
from core.records.spec import RunSpec
from tests.support.stored import MODEL, PROTOCOL, store_run

HOSTILE = "\x1b[31m<b>\u202e `rm`\x00 \n :red[x]"


@pytest.fixture
def database(cache_file: Path) -> Database:
    return Database(cache_file)


def begin(database: Database, seed: int) -> str:
    store = Store(database)
    run = store.begin(store.open_game(MODEL, PROTOCOL), RunSpec(seed=seed), PROTOCOL, (5, 4))
    store.close(run, "cancelled")
    return run


def test_a_name_and_a_note_are_kept(database: Database) -> None:
    run = store_run(database).run
    labels.rename(database, run, "  first \t try ")
    labels.annotate(database, run, "  before\nthe new   tokenizer \n")
    label = queries.find_run(database, "First Try").label
    assert (label.name, label.note) == ("first try", "before\nthe new tokenizer")
    assert queries.find_run(database, run[:4]).run == run, "by its id as well"
    labels.rename(database, run, "")
    assert queries.find_run(database, run).label == replace(label, name="")
    with pytest.raises(RunNotFound, match="There is no run first try"):
        queries.find_run(database, "first try")


def test_a_name_is_one_line_that_can_be_seen(database: Database) -> None:
    run = store_run(database).run
    labels.rename(database, run, HOSTILE)
    labels.annotate(database, run, HOSTILE)
    label = queries.find_run(database, run).label
    assert label.name.isprintable() and "<b>" in label.name and all(map(str.isprintable, label.note.split("\n")))
    with database.writing() as connection:  # a file of somebody else's
        connection.execute("UPDATE labels SET name = ?", ["\x1b]0;" + "x" * 5000])
    assert queries.runs(database)[0].label.name == "]0;" + "x" * (labels.LONGEST_NAME - 3)
    for wrong in ("x" * 81, " latest "):
        with pytest.raises(NotAllowed):
            labels.rename(database, run, wrong)
    with pytest.raises(NotAllowed):
        labels.annotate(database, run, "x" * 2001)


def test_a_name_of_two_runs_is_named_as_an_error(database: Database) -> None:
    first, second = begin(database, 0), begin(database, 1)
    for run in (first, second):
        labels.rename(database, run, "twins")
    with pytest.raises(RunNotFound, match="2 runs are called twins") as raised:
        queries.find_run(database, "twins")
    assert first in raised.value.hint and second in raised.value.hint
    labels.rename(database, first, second[:5])
    with pytest.raises(RunNotFound, match="2 runs are called"):
        queries.find_run(database, second[:5])
    labels.rename(database, first, second)
    assert queries.find_run(database, second).run == second, "a whole id is nobody else's"


def test_latest_is_outside_the_archive(database: Database) -> None:
    older, newer = begin(database, 0), begin(database, 1)
    labels.archive(database, newer)
    assert queries.find_run(database, "latest").run == older
    assert queries.find_run(database, newer).label.archived
    begin(database, 1)
    assert queries.find_run(database, "latest").run == newer, "started again, it is out of the archive"


def test_a_deleted_run_comes_back_as_it_was(database: Database) -> None:
    result = store_run(database)
    labels.rename(database, result.run, "mine")
    Store(database).own(result.run, "ada@example.org")
    before, measured = queries.find_run(database, "mine"), evaluations.count_evaluations(database)
    labels.delete(database, result.run)
    assert not queries.runs(database) and not queries.ends(database)
    for name in (result.run, "mine", "latest"):
        with pytest.raises(RunNotFound):
            queries.find_run(database, name)
    [deleted] = queries.runs(database, deleted=True)
    assert deleted.run == queries.find_run(database, "mine", deleted=True).run == result.run
    labels.restore(database, result.run)
    assert queries.find_run(database, "mine") == before and not queries.runs(database, deleted=True)
    assert queries.owner(database, result.run) == "ada@example.org"
    assert evaluations.count_evaluations(database) == measured


def test_after_a_week_it_is_forgotten_but_for_its_evaluations(database: Database) -> None:
    result = store_run(database)
    measured = evaluations.count_evaluations(database)
    labels.delete(database, result.run)
    labels.forget_expired(database)
    assert queries.runs(database, deleted=True)
    with database.writing() as connection:
        connection.execute("UPDATE labels SET deleted = deleted - ?::INTERVAL", [labels.KEPT + timedelta(minutes=1)])
    labels.forget_expired(database)
    with database.reading() as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_columns() WHERE column_name = 'run'").fetchall()
        left = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchall() for (table,) in tables}
    assert len(left) == 9 and set(map(str, left.values())) == {"[(0,)]"}
    assert evaluations.count_evaluations(database) == measured > 50


def test_a_deleted_run_that_is_started_again_begins_anew(database: Database) -> None:
    run = begin(database, 0)
    labels.rename(database, run, "mine")
    Store(database).own(run, "ada@example.org")
    labels.delete(database, run)
    assert begin(database, 0) == run
    assert queries.find_run(database, run).label == labels.Label() and queries.owner(database, run) is None


def test_a_file_of_before_there_were_labels(cache_file: Path) -> None:
    run = store_run(Database(cache_file)).run
    with Database(cache_file).writing() as connection:
        for table in ("labels", "answers", "traits", "needs", "compensated"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE runs DROP findings; ALTER TABLE selections DROP can_go")
        connection.execute("UPDATE schema_version SET version = ?", [11])
    assert len(MIGRATIONS) > 11
    database = Database(cache_file)
    assert queries.find_run(database, run).label == labels.Label()
    labels.rename(database, run, "old")
    assert queries.find_run(database, "old").result is not None


def test_only_what_has_changed_is_read_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    result, other = store_run(database), begin(database, 0)
    before, read, stored = queries.runs(database), [], queries._stored
    monkeypatch.setattr(queries, "_stored", lambda database, row: read.append(row[0]) or stored(database, row))
    labels.rename(database, result.run, "renamed")
    again = queries.runs(database, before=before)
    assert not read and [run.run for run in again] == [other, result.run] and again[1].label.name == "renamed"
    assert again[1].result is before[1].result
    Store(database).save(replace(result, seconds=2.0), "finished")
    labels.delete(database, other)
    assert [run.run for run in queries.runs(database, before=again)] == read == [result.run]
