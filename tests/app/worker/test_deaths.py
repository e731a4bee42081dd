"""The death of a worker ends what was under way, and nobody else's."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.worker.client import Jobs
from app.worker.ending import reason
from app.worker.job import Job
from cache import queries
from core.records.spec import RunSpec
from tests.support.jobs import measuring, wait
from tests.support.models import save_model

SPEAKING = """
import json, os, sys

def read():
    line = sys.stdin.readline()
    return json.loads(line) if line else sys.exit()

def say(command, kind, **more):
    print(json.dumps({"job": command["job"], "kind": kind, **more}), flush=True)

def do(command):
    say(command, "begun")
    say(command, "cancelled")
    say(command, "left")
    if "asking" not in command:
        print(command["spec"]["seed"], file=sys.stderr)

def die():
    os.kill(os.getpid(), 9)
"""
GOOD = "while True: do(read())"
Script = Callable[..., list["subprocess.Popen[str]"]]


@pytest.fixture
def scripted(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Workers that do what is written for each in turn, the last one's for all after it; gives those that started."""

    def prepare(*scripts: str) -> list["subprocess.Popen[str]"]:
        started: list[subprocess.Popen[str]] = []

        def start() -> "subprocess.Popen[str]":
            code = SPEAKING + scripts[min(len(started), len(scripts) - 1)]
            pipe = subprocess.PIPE
            worker = subprocess.Popen([sys.executable, "-SEc", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            started.append(worker)
            threading.Thread(target=jobs._listen, args=(worker,), daemon=True).start()
            return worker

        monkeypatch.setattr(jobs, "_start", start)
        return started

    return prepare


def seeds(spec: RunSpec, count: int) -> list[RunSpec]:
    return [replace(spec, seed=seed) for seed in range(count)]


def all_ended(*jobs: Job) -> Callable[[], bool]:
    return lambda: not any(job.active for job in jobs)


def test_what_waits_goes_on_after_a_kill(jobs: Jobs, long: RunSpec, spec: RunSpec, tmp_path: Path) -> None:
    """With the real worker: what it measured fails with the reason; owners and what waited stay."""
    first = jobs.submit(long, "ann")
    wait(lambda: measuring(first))
    waiting = jobs.submit(replace(spec, masks=20, sequences=2), "bob")
    given_up = jobs.submit(replace(spec, seed=2))
    other = replace(spec, model=str(save_model(tmp_path / "other", seed=1)))
    held_up = jobs.preview("a browser", other, (1,))
    wait(lambda: held_up.stage)  # it has been heard of, and yet is not under way
    assert jobs._worker is not None
    died = jobs._worker.pid
    os.kill(died, signal.SIGSTOP)
    jobs.cancel(given_up)
    os.kill(died, signal.SIGKILL)
    wait(all_ended(first, given_up, held_up, waiting))
    assert first.status == "failed" and "memory" in first.message and "everything measured is kept" in first.hint
    assert given_up.status == "cancelled"
    assert held_up.measured is not None and held_up.measured.model.source == other.model
    assert waiting.status == "finished" and waiting.worker != died
    owners = [queries.owner(jobs.database, job.run) for job in (first, waiting) if job.run]
    assert owners == ["ann", "bob"]


def test_each_task_that_kills_fails_alone(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    """Tasks 1 and 2 kill every worker that begins them; the others are done once, in order."""
    killing = "while True:\n    c = read()\n    if c['spec']['seed'] in (1, 2): say(c, 'begun'); die()\n    do(c)"
    workers = scripted(killing)
    asked = [jobs.submit(one) for one in seeds(spec, 5)]
    wait(all_ended(*asked))
    assert [job.status for job in asked] == ["cancelled", "failed", "failed", "cancelled", "cancelled"]
    jobs.stop()
    done = [line for worker in workers for line in (worker.stderr or ()) if line.strip().isdigit()]
    assert [int(line) for line in done] == [0, 3, 4] and len(workers) == 3


def test_a_preview_that_kills_leaves_the_task_around_it_going(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    scripted("t = read(); say(t, 'begun'); p = read(); read(); say(p, 'begun'); die()", GOOD)
    task = jobs.submit(spec)
    killing, waiting = jobs.preview("a browser", spec, (1,)), jobs.preview("another", spec, (2,))
    wait(all_ended(task, killing, waiting))
    assert (task.status, killing.status, waiting.status) == ("cancelled", "failed", "cancelled")


def test_a_killing_preview_that_was_replaced_is_not_laid_to_the_task(
    jobs: Jobs, spec: RunSpec, scripted: Script
) -> None:
    scripted("t = read(); say(t, 'begun'); p = read(); say(p, 'begun'); read(); die()", GOOD)
    task = jobs.submit(spec)
    jobs.preview("a browser", spec, (1,))
    newer = jobs.preview("a browser", spec, (2,))
    wait(all_ended(task, newer))
    assert (task.status, newer.status) == ("cancelled", "cancelled")


def test_previews_and_what_they_interrupt_are_tried_twice_at_most(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    """The first that is answered kills, whichever that is: who waits for the third worker has waited enough."""
    scripted(
        "t = read(); say(t, 'begun'); p = read(); say(p, 'begun'); [read() for _ in range(2)]; die()",
        "t = read(); say(t, 'begun'); p = read(); say(p, 'begun'); read(); die()",
        GOOD,
    )
    task = jobs.submit(spec)
    previews = [jobs.preview(f"browser {number}", spec, (number,)) for number in range(3)]
    wait(all_ended(task, *previews))
    assert {job.status for job in (task, *previews)} == {"failed"}
    later = jobs.submit(spec)
    wait(all_ended(later))
    assert later.status == "cancelled"


def test_workers_that_end_at_their_start_are_not_started_for_ever(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    late = "[read() for _ in range(4)]; sys.exit(3)"  # all are asked before it ends
    workers = scripted(late, late, GOOD)
    asked = [*map(jobs.submit, seeds(spec, 3)), jobs.preview("a browser", spec, (1,))]
    wait(all_ended(*asked))
    assert all(job.status == "failed" and "exit status 3" in job.message for job in asked) and len(workers) == 2
    later = jobs.submit(spec)
    wait(all_ended(later))
    assert later.status == "cancelled" and len(workers) == 3


def test_one_start_that_failed_is_made_good(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    workers = scripted("read(); die()", GOOD)
    job = jobs.submit(spec)
    wait(all_ended(job))
    assert job.status == "cancelled" and len(workers) == 2


def test_a_worker_that_cannot_be_started_is_said(jobs: Jobs, spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(jobs, "_start", refuse)
    job = jobs.submit(spec)
    assert job.status == "failed" and "Cannot allocate memory" in job.message and job.hint


def test_asked_of_a_worker_that_died_unnoticed(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    """Its end is heard of after the request: no other worker is started beside the one that then is."""
    workers = scripted("read(); sys.exit()", GOOD)
    with jobs._lock:
        jobs._worker = jobs._start()
        jobs._worker.kill()
        jobs._worker.wait()
        job = jobs._ask(Job(spec))
    wait(all_ended(job))
    assert job.status == "cancelled" and len(workers) == 2


def test_stopping_ends_all_and_starts_nothing(jobs: Jobs, spec: RunSpec, scripted: Script) -> None:
    workers = scripted("t = read(); say(t, 'begun')\nwhile True: read()")
    asked = [*map(jobs.submit, seeds(spec, 3)), jobs.preview("a browser", spec, (1,))]
    listening = [thread for thread in threading.enumerate() if thread._target == jobs._listen]
    jobs.stop()
    for thread in listening:
        thread.join()
    assert all(job.status == "failed" and "stopped" in job.message for job in asked)
    assert len(workers) == 1 and workers[0].poll() == 0


@pytest.mark.parametrize(
    ("status", "said"), [(-9, "memory"), (-11, "signal 11: Segmentation"), (-250, "signal 250"), (1, "exit status 1")]
)
def test_the_reason_is_said(status: int, said: str) -> None:
    message, hint = reason(status)
    assert said in message and "everything measured is kept" in hint
    assert ("memory" in message + hint) == (status == -9)
