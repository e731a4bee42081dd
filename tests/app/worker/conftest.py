"""The server's handle on a worker of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.worker import client
from app.worker.client import Jobs
from cache.database import Database
from core.records.spec import RunSpec
from tests.support.workers import Nursery


@pytest.fixture
def of_the_server(cache_file: Path) -> Iterator[Jobs]:
    """With a worker as the server starts it, which takes seconds."""
    jobs = Jobs(Database(cache_file))
    yield jobs
    jobs.stop()


@pytest.fixture
def jobs(of_the_server: Jobs, nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """With a worker that starts at once."""
    monkeypatch.setattr(client, "subprocess", nursery)
    return of_the_server


@pytest.fixture
def long(spec: RunSpec) -> RunSpec:
    """A run of many seconds."""
    return RunSpec(**{**vars(spec), "sequences": 250, "window": 128, "masks": 100})
