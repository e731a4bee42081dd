"""How settled a ranking will be, told before a run by the runs so far: which one tells, and when none does."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.example import shipped
from app.foresight import foresee, sentences
from app.settling import ranking_sentence
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.records.spec import RunSpec
from tests.support.stored import store_run


@pytest.fixture
def database(cache_file: Path) -> Database:
    return Database(cache_file)


@pytest.fixture
def run(database: Database) -> StoredRun:
    return queries.find_run(database, store_run(database).run)


def test_it_names_the_run_and_says_that_it_is_extrapolated(database: Database, run: StoredRun) -> None:
    said = ranking_sentence(database, [run], replace(run.spec, masks=40))
    assert f"extrapolated from run {run.run}, whose halves" in said and "another run of 40 coalitions" in said


def test_other_text_is_named(database: Database, run: StoredRun) -> None:
    assert f"run {run.run} on made-up, whose" in ranking_sentence(database, [run], replace(run.spec, corpus="c4"))


def test_the_nearest_protocol_tells(database: Database, run: StoredRun) -> None:
    asked = replace(run.spec, corpus="c4", window=64)
    near = replace(run, run="near", spec=replace(run.spec, corpus="c4"))
    nearer = replace(run, run="nearer", spec=replace(asked, seed=5))
    for runs in ([run, near, nearer], [nearer, near, run]):
        assert "from run nearer," in ranking_sentence(database, runs, asked)
    assert "from run near," in ranking_sentence(database, [run, near], asked)


def test_the_weights_tell_and_not_their_name(database: Database, run: StoredRun) -> None:
    assert run.findings is not None
    moved = replace(run, run="moved", status="cancelled", spec=replace(run.spec, model="elsewhere"))
    assert f"run {run.run}" in ranking_sentence(database, [moved, run], moved.spec)
    retrained = replace(run.findings, fingerprint="e" * 16)
    later = replace(run, run="later", status="cancelled", findings=retrained, changed=run.changed.replace(year=2999))
    assert ranking_sentence(database, [later, run], run.spec) == ""


def test_nothing_is_said_where_nothing_is_known(database: Database, run: StoredRun) -> None:
    assert ranking_sentence(database, [], run.spec) == ""
    for unlike in ("nobody/has-run-this", ""):
        assert ranking_sentence(database, [run], replace(run.spec, model=unlike)) == ""
    assert ranking_sentence(database, [run], replace(run.spec, players="sublayer")) == ""
    assert ranking_sentence(database, [run], replace(run.spec, protect=(0,))) == ""
    assert ranking_sentence(database, [run], replace(run.spec, sampler="exhaustive")) == "", "it will be exact"
    for young in (replace(run, status="running"), replace(run, findings=None), replace(run, status="cancelled")):
        assert ranking_sentence(database, [young], run.spec) == ""
    assert ranking_sentence(database, [replace(run, game="lost")], run.spec) == ""


def test_a_forecast_has_it(database: Database) -> None:
    shipped.load_into(database)
    runs = queries.runs(database)
    said = sentences(foresee(database, runs, RunSpec()))
    assert f"extrapolated from run {runs[0].run}" in said["Ranking"] and "takes about" in said["Ranking"]
    more = sentences(foresee(database, runs, RunSpec(masks=5000)))["Ranking"]
    assert "counts as settled from 0.95" in more
    assert "Ranking" not in sentences(foresee(database, [], RunSpec()))
