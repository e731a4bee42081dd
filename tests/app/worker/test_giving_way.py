"""What a run does last gives way to whatever somebody asks for meanwhile; and the queue knows its order."""

import json
import queue
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest

from app.worker.job import Job, line_up
from app.worker.process import Worker
from cache import queries
from cache.database import Database
from cache.store import Store
from core.records.events import Event
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.surrogate.validation import KINDS, PROCESSES


class Asked:
    """A worker that is asked for more once its run is at some part."""

    def __init__(self, file: Path, run: dict[str, Any], part: str, more: list[dict[str, Any]]) -> None:
        self.inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.inbox.put(run)
        self.said: list[dict[str, Any]] = []
        self._part, self._more, self._spec = part, more, run["spec"]
        self.worker = Worker(Store(Database(file)), self.inbox, cast(Any, self))

    def write(self, line: str) -> None:
        if not line.strip():
            return
        event = json.loads(line)
        self.said.append(event)
        if event["kind"] == "progress" and event["part"] == self._part and self._more:
            for command in self._more:
                self.inbox.put(command)
            self._more = []
        if event["kind"] == "left" and event["job"] == "run":
            self.inbox.put({"do": "time", "job": "leave", "asking": "c", "spec": self._spec, "removed": []})

    def flush(self) -> None:
        pass

    def serve(self) -> list[tuple[str, str]]:
        with pytest.raises(SystemExit):
            self.worker.serve()
        return [(event["job"], event["kind"]) for event in self.said]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The surrogates that take long are of no interest here; and what is asked last ends the worker."""
    monkeypatch.setattr("core.surrogate.validation.OTHER_KINDS", ("Ridge on pairs of layers",))
    monkeypatch.setattr(
        "core.surrogate.diagnose.KINDS", {name: KINDS[name] for name in (*PROCESSES, "Ridge on pairs of layers")}
    )

    def leave(*_: object) -> Iterator[Event]:
        raise SystemExit

    monkeypatch.setattr(Engine, "time", leave)


@pytest.fixture
def small(spec: RunSpec) -> RunSpec:
    return replace(spec, masks=20, sequences=2, dtype="float32")


@pytest.mark.parametrize("part", ["surrogates", "search"])
def test_a_what_if_a_text_and_an_export_are_answered_in_the_middle(
    cache_file: Path, tmp_path: Path, small: RunSpec, part: str
) -> None:
    """All before the run's end, while it compares surrogates; during its search, the export waits for what it needs."""
    finished = _finished(cache_file, small)
    asked = {"spec": asdict(small), "removed": [1]}
    export = {"do": "export", "job": "export", **asked, "result": finished, "out": str(tmp_path / "smaller")}
    more = [
        export,
        {"do": "measure", "job": "what-if", "asking": "a", **asked},
        {"do": "continue", "job": "text", "asking": "b", "prompt": "The", "tokens": 2, **asked},
    ]
    again = replace(small, seed=5)
    run = {"do": "run", "job": "run", "spec": asdict(again), "search": True}
    told = Asked(cache_file, run, part, more)
    order = told.serve()
    ends = {job: order.index((job, "left")) for job in ("run", "export", "what-if", "text")}
    assert ends["run"] == max(ends.values()) and ends["what-if"] < ends["text"] < ends["export"]
    assert ("export", "exported") in order and ("what-if", "measured") in order and ("text", "written") in order
    first = next(at for at, event in enumerate(told.said) if event.get("part") == part)
    between = [event for event in told.said[first + 1 : ends["what-if"]] if event["job"] == "run"]
    assert not [event for event in between if event["kind"] == "progress"], "it is answered before the next step"
    parts = [event["part"] for event in told.said[: order.index(("export", "begun"))] if event["kind"] == "progress"]
    first = "predictions" if part == "search" else part
    assert parts[-1] == first, "an export comes before what nobody waits for, and after plans"


def test_an_export_in_the_middle_can_be_cancelled_alone(cache_file: Path, tmp_path: Path, small: RunSpec) -> None:
    finished = _finished(cache_file, small)
    export = {"do": "export", "job": "export", "spec": asdict(small), "removed": [1]}
    export |= {"result": finished, "out": str(tmp_path / "smaller")}
    run = {"do": "run", "job": "run", "spec": asdict(replace(small, seed=5))}
    order = Asked(cache_file, run, "surrogates", [export, {"do": "cancel", "job": "export"}]).serve()
    assert ("export", "cancelled") in order and ("run", "finished") in order and not (tmp_path / "smaller").exists()
    order = Asked(cache_file, run, "surrogates", [{"do": "cancel", "job": "run"}]).serve()
    assert ("run", "cancelled") in order and {run.status for run in queries.runs(Database(cache_file))} == {"finished"}


def test_jobs_know_their_place_and_what_they_wait_for(spec: RunSpec) -> None:
    run, preview, export, other = Job(spec), Job(spec, "measure", asking="a"), Job(spec, "export"), Job(spec, "select")
    jobs = [run, preview, export, other]
    line_up(jobs, [])
    assert [job.place for job in jobs] == [1, 0, 2, 3] and run.waits_for is None
    line_up(jobs, [run.name])
    assert [job.place for job in jobs] == [0, 0, 1, 2]
    assert [job.waits_for for job in jobs] == [None, run, run, run]
    line_up(jobs, [run.name, export.name])  # the run gives way to it
    assert [job.place for job in jobs] == [0, 0, 0, 1] and other.waits_for is export
    export.status = run.status = "finished"
    line_up(jobs, [])
    assert [job.place for job in jobs] == [0, 0, 0, 1] and other.waits_for is None


def _finished(file: Path, spec: RunSpec) -> dict[str, Any]:
    [*_, last] = Engine(Store(Database(file))).run(spec)
    found: dict[str, Any] = json.loads(json.dumps(asdict(last)["result"]))
    return found
