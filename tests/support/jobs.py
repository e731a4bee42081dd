"""The server's jobs as tests ask for them."""

import time
from collections.abc import Callable

from app.worker.client import Jobs
from app.worker.job import Job
from core.records.spec import RunSpec


def wait(condition: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def measuring(job: Job) -> bool:
    return job.progress is not None and job.progress.done > 0


def finish(shared: Jobs, spec: RunSpec) -> str:
    job = shared.submit(spec)
    wait(lambda: not job.active)
    assert job.result is not None, job.message
    return job.result.run
