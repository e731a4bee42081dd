"""What a task or a preview raises fails that one by name, whatever it is; the worker goes on."""

import io
import json
import queue
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from app.worker import process
from app.worker.process import Worker
from cache import queries
from cache.database import Database
from cache.store import Store
from core.errors import DiskFull
from core.records.events import Event, Progress
from core.records.spec import RunSpec


class PanicException(BaseException):
    pass


def served(file: Path, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a worker says about commands, until one of them asks it to leave."""
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for command in commands:
        inbox.put(command)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        Worker(Store(Database(file)), inbox, out).serve()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def of(job: str, said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in said if one["job"] == job]


@pytest.fixture
def leave(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A command that ends the worker as `sys.exit` does."""

    def exit_(*_: object) -> Iterator[Event]:
        raise SystemExit

    monkeypatch.setattr("core.run.engine.Engine.score", exit_)
    return {"do": "score", "job": "leave", "spec": asdict(spec), "run": "", "game": ""}


@pytest.mark.parametrize("failure", [PanicException("index out of bounds"), MemoryError("too much"), OSError("gone")])
def test_a_panic_fails_one_task_and_the_next_goes_on(
    cache_file: Path, spec: RunSpec, leave: dict[str, Any], monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """Raised in the middle of measuring: the run is put down as failed, not as one that goes on."""

    def panic(*_: object) -> Iterator[Event]:
        yield Progress(1, 2, 0, 1.0, 1.0)
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr("core.run.measure.Measuring.events", panic)
        run = {"do": "run", "job": "a", "spec": asdict(spec), "owner": "ann"}
        said = served(cache_file, [run, {**run, "job": "b"}, leave])
    for job in "ab":
        heard = of(job, said)
        assert heard[-2]["kind"] == "failed" and type(failure).__name__ in heard[-2]["message"]
        assert (heard[0]["kind"], heard[-1]["kind"]) == ("begun", "left")
    [started] = {one["run"] for one in said if one["kind"] == "started"}
    stored = queries.find_run(Database(cache_file), started)
    assert stored.status == "failed" and queries.owner(Database(cache_file), started) == "ann"


def test_a_panic_of_a_preview_leaves_the_task_around_it_going(
    cache_file: Path, spec: RunSpec, leave: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(*_: object) -> Iterator[Event]:
        raise PanicException("not a char boundary")

    monkeypatch.setattr("core.run.engine.Engine.measure", panic)
    run = {"do": "run", "job": "run", "spec": asdict(replace(spec, masks=20))}
    preview = {"do": "measure", "job": "preview", "asking": "somebody", "spec": asdict(spec), "removed": (1,)}
    inbox_of = process.Worker._receive
    given = iter([preview])

    def late(worker: Worker, *, wait: bool) -> None:
        inbox_of(worker, wait=wait)
        if worker._under_way is not None and (command := next(given, None)):
            worker._previews["somebody"] = command

    monkeypatch.setattr(Worker, "_receive", late)
    said = served(cache_file, [run, leave])
    assert [one["kind"] for one in of("preview", said)] == ["begun", "failed", "left"]
    assert "PanicException: not a char boundary" in of("preview", said)[1]["message"]
    assert of("run", said)[-2]["kind"] == "finished"


def test_an_owner_that_cannot_be_kept_fails_the_run_in_words(
    cache_file: Path, spec: RunSpec, leave: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFull("The disk is full.", "Make room.")

    monkeypatch.setattr(Store, "own", full)
    said = served(cache_file, [{"do": "run", "job": "a", "spec": asdict(spec), "owner": "ann"}, leave])
    assert of("a", said)[-2] == {"job": "a", "kind": "failed", "message": "The disk is full.", "hint": "Make room."}
