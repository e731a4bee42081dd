"""The worker process and the server's handle on it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import pytest

from app.root import ROOT
from app.worker.client import Jobs
from app.worker.job import Job
from cache import evaluations, queries
from core.records import events
from core.records.events import Cancelled, Event, Failed, Stage
from core.records.reader import read_event
from core.records.spec import RunSpec
from tests.support.jobs import measuring, wait
from tests.support.models import save_model


def test_a_run_goes_through(of_the_server: Jobs, spec: RunSpec) -> None:
    jobs = of_the_server
    job = jobs.submit(spec)
    assert jobs.submit(spec) is job, "one request, one run"
    wait(lambda: not job.active)
    assert (job.status, job.message) == ("finished", "")
    assert job.result is not None and job.result.run == job.run
    assert queries.find_run(jobs.database, job.result.run).status == "finished"


def test_cancel_is_shown_at_once_and_loses_nothing(jobs: Jobs, long: RunSpec) -> None:
    job = jobs.submit(long)
    wait(lambda: measuring(job))
    jobs.cancel(job)
    assert job.status == "cancelling"
    wait(lambda: not job.active)
    assert job.status == "cancelled" and job.progress is not None
    assert evaluations.count_evaluations(jobs.database) >= job.progress.done
    resumed = jobs.submit(long)
    wait(lambda: measuring(resumed))
    assert resumed.progress is not None and resumed.progress.cached >= job.progress.done


def test_previews_overtake_a_run_and_the_newest_wins(jobs: Jobs, long: RunSpec) -> None:
    run = jobs.submit(long)
    wait(lambda: measuring(run))
    first = jobs.preview("a browser", long, (0,))
    last = jobs.preview("a browser", long, (1, 2))
    other = jobs.preview("another browser", long, (3,))
    wait(lambda: not last.active and not other.active)
    assert run.active, "the run has not ended before its previews were answered"
    assert last.measured is not None and last.measured.removed == (1, 2)
    assert other.measured is not None and other.measured.removed == (3,)
    assert first.measured is None or first.measured.removed == (0,)
    jobs.cancel(run)


def test_a_wrong_request_fails_in_words_and_the_worker_goes_on(jobs: Jobs, spec: RunSpec) -> None:
    job = jobs.submit(RunSpec(**{**vars(spec), "strata": (9,)}))
    wait(lambda: not job.active)
    assert job.status == "failed" and "9" in job.message and "between 1 and 7" in job.hint
    good = jobs.submit(spec)
    wait(lambda: not good.active)
    assert good.status == "finished"


def test_a_killed_worker_is_told_and_replaced(jobs: Jobs, long: RunSpec) -> None:
    job = jobs.submit(long)
    wait(lambda: measuring(job))
    assert jobs._worker is not None
    os.kill(jobs._worker.pid, signal.SIGKILL)
    wait(lambda: not job.active)
    assert job.status == "failed" and "everything measured is kept" in job.hint
    assert job.progress is not None
    again = jobs.submit(long)
    wait(lambda: measuring(again))
    assert again.progress is not None and again.progress.cached >= job.progress.done


def test_the_worker_goes_when_its_parent_is_killed(cache_file: Path, long: RunSpec) -> None:
    code = """
import sys, time
from pathlib import Path
from app.worker import client
from app.worker.client import Jobs
from cache.database import Database
from core.records.spec import RunSpec
jobs = Jobs(Database(Path(sys.argv[1])))
job = jobs.submit(RunSpec(model=sys.argv[2], corpus=sys.argv[3], sequences=250, window=128, masks=100))
while job.active and job.progress is None: time.sleep(0.05)
print(jobs._worker.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(cache_file), long.model, long.corpus],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait(lambda: not alive(worker), 10)


def alive(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_preview_is_no_run(jobs: Jobs, spec: RunSpec) -> None:
    preview = jobs.preview("a browser", spec, (1,))
    run = jobs.submit(spec)
    assert run is not preview
    wait(lambda: not run.active and not preview.active)
    assert run.status == "finished" and preview.measured is not None
    assert jobs.newest() is run


def test_runs_wait_for_their_turn_and_can_be_cancelled_before_it(jobs: Jobs, long: RunSpec, spec: RunSpec) -> None:
    first, second = jobs.submit(long), jobs.submit(spec)
    wait(lambda: measuring(first))
    assert second.status == "waiting" and jobs.newest() is first and jobs.waiting(behind=first) == [second]
    jobs.cancel(second)
    wait(lambda: not second.active)
    assert second.status == "cancelled" and first.active
    jobs.cancel(first)
    third = jobs.submit(long)
    assert third is not first, "a run that is being cancelled is not the one that was asked for"
    wait(lambda: measuring(third))
    jobs.cancel(third)


def test_the_end_of_an_old_worker_does_not_touch_the_jobs_of_a_new_one(jobs: Jobs, long: RunSpec) -> None:
    job = jobs.submit(long)
    wait(lambda: measuring(job))
    old = jobs._worker
    assert old is not None
    jobs._worker = jobs._start()
    other = jobs.submit(RunSpec(**{**vars(long), "seed": 1}))
    old.kill()
    wait(lambda: not job.active)
    assert job.status == "failed" and other.active
    wait(lambda: measuring(other))
    jobs.cancel(other)


def test_worker_that_ends_in_the_middle_of_a_word(jobs: Jobs, spec: RunSpec) -> None:
    job = Job(spec)
    code = "import sys; print(sys.argv[1]); print('{\"job\": ', end='')"
    begun = json.dumps({"job": job.name, "kind": "begun"})
    heard(jobs, subprocess.Popen([sys.executable, "-c", code, begun], stdout=subprocess.PIPE, text=True), job)
    assert job.status == "failed" and "ended unexpectedly" in job.message


def test_replaced_preview_has_ended(jobs: Jobs, spec: RunSpec) -> None:
    first, second = jobs.preview("somebody", spec, (1,)), jobs.preview("somebody", spec, (2,))
    assert first.status == "cancelled" and second.active
    wait(lambda: not second.active)
    assert second.measured is not None


def saying(*lines: str) -> "subprocess.Popen[str]":
    """A process that says these lines, in place of a worker."""
    code = "import sys; [print(line, flush=True) for line in sys.argv[1:]]"
    return subprocess.Popen([sys.executable, "-c", code, *lines], stdout=subprocess.PIPE, text=True)


def heard(jobs: Jobs, worker: "subprocess.Popen[str]", *known: Job) -> None:
    for job in known:
        job.worker = worker.pid
        jobs._jobs[job.name] = job
    jobs._listen(worker)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "celebrated"},
        {"kind": "finished"},
        {"kind": "finished", "result": {"run": 3}},
        {"kind": "progress", "done": "many"},
        {"kind": "_event"},
    ],
)
def test_an_event_that_nobody_knows_fails_its_job_and_no_other(
    jobs: Jobs, spec: RunSpec, event: dict[str, object]
) -> None:
    """Neither is it an end that is taken for a good one, nor the end of the thread that listens."""
    at_fault, other = Job(spec), Job(spec, "measure")
    lines = [{"job": at_fault.name, **event}, {"job": other.name, "kind": "stage", "text": "Goes on"}]
    lines += [{"job": other.name, "kind": "cancelled"}]
    heard(jobs, saying(*map(json.dumps, lines)), at_fault, other)
    assert at_fault.status == "failed" and "cannot be understood" in at_fault.message and at_fault.hint
    assert (other.status, other.stage) == ("cancelled", "Goes on")


@pytest.mark.parametrize(
    "line", ["Segmentation fault", "[]", '{"kind": "stage"}', '{"job": "x"}', "\udcff", "[" * 100_000]
)
def test_a_line_that_is_no_event_ends_the_worker_and_its_jobs(jobs: Jobs, spec: RunSpec, line: str) -> None:
    job = Job(spec)
    begun = json.dumps({"job": job.name, "kind": "begun"})
    heard(jobs, saying(begun, line, json.dumps({"job": job.name, "kind": "stage", "text": "unheard"})), job)
    assert job.status == "failed" and "ended unexpectedly" in job.message


def test_every_event_is_taken_in(spec: RunSpec) -> None:
    """Read back from JSON, each ends a job, or leaves it running: none is taken for another."""
    kinds = {kind.__name__: kind for kind in get_args(Event)}
    module = {name for name, value in vars(events).items() if isinstance(value, type) and hasattr(value, "kind")}
    assert module - {"_Event"} == {*kinds}, "an event that is not in the union would be read by nobody"
    assert read_event({"kind": "stage", "text": "x"}) == Stage("x")
    for event, status in ((Stage("x"), "running"), (Cancelled(), "cancelled"), (Failed("a", "b"), "failed")):
        job = Job(spec)
        job.hear(read_event(json.loads(json.dumps(asdict(event)))))
        assert job.status == status


def test_a_command_that_nobody_knows_is_an_error_and_no_what_if(jobs: Jobs, spec: RunSpec) -> None:
    job = jobs.task("transmogrify", spec, removed=(1,))
    wait(lambda: not job.active)
    assert job.status == "failed" and "transmogrify" in job.message and "start it again" in job.hint
    assert job.measured is None


def test_what_has_ended_is_forgotten(jobs: Jobs, spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of what-ifs by hundreds of visitors leave nothing behind; the last task of each kind is kept."""
    monkeypatch.setattr(jobs, "_start", lambda: None)
    monkeypatch.setattr(Jobs, "_write", lambda *_: None)
    monkeypatch.setattr(jobs, "_worker", type("Worker", (), {"pid": 1, "poll": lambda _: None})())
    for visitor in range(200):
        for _ in range(3):
            job = jobs.preview(f"visitor {visitor}", spec, (visitor % 8,))
        job.hear(Cancelled())
    tasks = [jobs.task("score", spec, run=f"run {number % 3}") for number in range(30) if not job.active]
    for task in tasks:
        task.hear(Failed("no", "again"))
        jobs.preview("somebody", spec, (0,)).hear(Cancelled())
    last = jobs.preview("somebody", spec, (1,))
    assert len(jobs._jobs) <= 2 + 3 and len(jobs._previews) == 1
    assert jobs.newest("score", "run 1") in tasks and last.active
    monkeypatch.setattr(jobs, "_worker", None)


def test_a_what_if_of_another_model_waits_for_the_run(jobs: Jobs, long: RunSpec, tmp_path: Path) -> None:
    """Two models need not fit into memory at once."""
    run = jobs.submit(long)
    wait(lambda: measuring(run))
    other = replace(long, model=str(save_model(tmp_path / "other", seed=1)))
    held_up = jobs.preview("a browser", other, (1,))
    same = jobs.preview("another browser", long, (2,))
    wait(lambda: not same.active)
    assert same.measured is not None and held_up.active and run.active
    assert held_up.stage.startswith("Another model is being measured")
    jobs.cancel(run)
    wait(lambda: not held_up.active)
    assert held_up.measured is not None and held_up.measured.model.source == other.model
