"""`label`, and what other commands make of it: names for ids, the archive, deleting and its undoing."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.__main__ import main
from app.notebook import quorum
from cache import queries
from cache.database import Database
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished


def test_a_run_is_called_by_its_name(cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path) -> None:
    older, newer = finished(spec, replace(spec, seed=1))
    status, answer, _ = cli("label", older, "--name", "first try", "--note", "small")
    assert status == 0 and answer == {
        "run": older,
        "name": "first try",
        "note": "small",
        "archived": False,
        "deleted": None,
    }
    assert cli("show", "first try")[1]["run"] == cli("values", "FIRST TRY")[1]["run"] == older
    assert quorum.load("first try", cache=cache_file).name == older
    cli("label", newer, "--name", "first try")
    status, answer, _ = cli("show", "first try")
    assert status == 1 and answer["error"]["kind"] == "RunNotFound" and older in answer["error"]["hint"]


def test_the_archive_and_deleting(cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path) -> None:
    older, newer = finished(spec, replace(spec, seed=1))

    def listed(*options: str) -> list[str]:
        return [row["run"] for row in cli("runs", *options)[1]["runs"]]

    assert cli("label", older, "--archive")[1]["archived"]
    assert listed() == list(quorum.runs(cache=cache_file)["run"]) == [newer]
    assert listed("--archived") == list(quorum.runs(cache=cache_file, archived=True)["run"]) == [newer, older]
    assert cli("label", newer, "--delete")[1]["deleted"]
    assert listed("--archived") == [older] and listed("--deleted") == [newer]
    status, answer, _ = cli("show", newer)
    assert status == 1 and "--restore" in answer["error"]["hint"]
    for run in (older, newer):
        assert cli("label", run, "--restore")[0] == 0
    assert listed() == [newer, older] and not listed("--deleted")


def test_a_run_that_is_measured_is_not_deleted(cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path) -> None:
    [run] = finished(spec)
    database = Database(cache_file)
    with database.writing() as connection:
        connection.execute("UPDATE runs SET status = 'running'")
    with database.claim(run):
        status, answer, _ = cli("label", run, "--delete")
    assert status == 1 and "being measured" in answer["error"]["message"] and queries.runs(database)


def test_labels_for_a_person(
    cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(spec)

    def text(*arguments: str) -> str:
        assert main([*arguments, "--cache", str(cache_file)]) == 0
        return capsys.readouterr().out

    assert "name" not in text("runs").splitlines()[0]
    assert "\x1b" not in text("label", run, "--name", "first\x1b[2J", "--note", "one\ntwo")
    head, row, *_ = text("runs").splitlines()
    assert row[head.index("name") :].startswith("first [2J  ")
    assert "note: one\nnote: two\n" in text("show", run)
    text("label", run, "--archive")
    assert "All runs are in the archive" in text("runs") and "finished, archived" in text("runs", "--archived")
    assert "brings it back until" in text("label", run, "--delete")
    assert "No run" not in text("runs", "--deleted") and "No runs in" in text("runs")
