"""The worker process and the server's handle on it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.worker.client import Jobs
from app.worker.job import Job
from cache import queries
from cache.database import Database
from core.records.spec import RunSpec
from tests.conftest import ROOT


@pytest.fixture
def jobs(cache_file: Path) -> Iterator[Jobs]:
    jobs = Jobs(Database(cache_file))
    yield jobs
    jobs.stop()


@pytest.fixture
def spec(tiny: Path, text_file: Path) -> RunSpec:
    return RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50)


@pytest.fixture
def long(spec: RunSpec) -> RunSpec:
    """A run of many seconds."""
    return RunSpec(**{**vars(spec), "sequences": 250, "window": 128, "masks": 100})


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def measuring(job: Job) -> bool:
    return job.progress is not None and job.progress.done > 0


def test_a_run_goes_through(jobs: Jobs, spec: RunSpec) -> None:
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
    assert queries.count_evaluations(jobs.database) >= job.progress.done
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
    worker = subprocess.Popen([sys.executable, "-c", "print('{\"job\": ', end='')"], stdout=subprocess.PIPE, text=True)
    job.worker = worker.pid
    jobs._jobs[job.name] = job
    jobs._listen(worker)
    assert job.status == "failed" and "ended unexpectedly" in job.message


def test_replaced_preview_has_ended(jobs: Jobs, spec: RunSpec) -> None:
    first, second = jobs.preview("somebody", spec, (1,)), jobs.preview("somebody", spec, (2,))
    assert first.status == "cancelled" and second.active
    wait(lambda: not second.active)
    assert second.measured is not None
