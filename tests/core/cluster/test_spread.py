"""Runs that workers measure: the same numbers as without, whoever is killed on the way."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.root import ROOT
from cache import evaluations, queries
from cache.database import Database
from cache.store import Store
from core.cluster.machines import Machines, check
from core.cluster.partition import blocks
from core.cluster.replica import Order, Replica
from core.errors import ClusterError
from core.records.events import Event, Finished, Progress
from core.records.looks import Refusal
from core.records.spec import RunSpec
from core.run.engine import Engine
from tests.support.commands import Cli

SLOW = ("--sequences", "60", "--window", "64", "--masks", "100", "--no-search")


# Not imported here: Ray reads then how it is to authenticate.
by_ray = pytest.mark.skipif(find_spec("ray") is None, reason="pip install -r requirements-cluster.txt")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the coalitions is of no interest here."""
    monkeypatch.setattr("core.surrogate.validation.OTHER_KINDS", ())


def stored(file: Path) -> dict[str, bytes]:
    """The losses of every coalition in a results file, bit by bit."""
    database = Database(file)
    [run] = queries.runs(database)
    return {mask: found.losses.tobytes() for mask, found in Store(database).measured(run.game).items()}


def coalitions(file: Path, spec: RunSpec, machines: Machines | None) -> list[Event]:
    """A run up to its last coalition; what follows needs no worker."""
    events: list[Event] = []
    for event in Engine(Store(Database(file))).run(spec, machines=machines):
        events.append(event)
        if isinstance(event, Finished) or (isinstance(event, Progress) and event.done == event.total):
            break
    return events


def replicas() -> list[psutil.Process]:
    """The processes of this one that hold a model."""
    every = psutil.Process().children(recursive=True)
    return [child for child in every if "ray::Replica" in " ".join(child.cmdline())]


@by_ray
@pytest.mark.parametrize("sampler", ["stratified", "adaptive"])
def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path, spec: RunSpec, sampler: str) -> None:
    asked = RunSpec(**{**vars(spec), "sampler": sampler})
    counts = (None, 1, 2, 3) if sampler == "stratified" else (None, 2)
    found = []
    for count in counts:
        file = tmp_path / f"{count}.duckdb"
        coalitions(file, asked, Machines(count) if count else None)
        found.append(stored(file))
    assert all(len(one) == 51 and one == found[0] for one in found)
    assert replicas() == []


@by_ray
def test_a_killed_worker_is_replaced(tmp_path: Path, spec: RunSpec) -> None:
    whole, broken = tmp_path / "whole.duckdb", tmp_path / "broken.duckdb"
    coalitions(whole, spec, None)
    killed = False
    for event in Engine(Store(Database(broken))).run(spec, machines=Machines(1)):
        if isinstance(event, Progress) and event.done and not killed:
            [worker] = replicas()
            worker.kill()
            killed = True
        if isinstance(event, Progress) and event.done == event.total:
            break
    assert killed and stored(broken) == stored(whole)


@by_ray
def test_a_killed_driver_leaves_nothing_behind_and_resumes(
    cli: Cli, tiny: Path, text_file: Path, tmp_path: Path
) -> None:
    request = ("run", "--model", str(tiny), "--corpus", str(text_file), *SLOW)
    broken, whole = tmp_path / "broken.duckdb", tmp_path / "whole.duckdb"
    command = [sys.executable, "-m", "app", *request, "--workers", "2", "--cache", str(broken)]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while driver.poll() is None and not (broken.exists() and evaluations.count_evaluations(Database(broken))):
        time.sleep(0.05)
    workers = psutil.Process(driver.pid).children(recursive=True)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    _, left = psutil.wait_procs(workers, timeout=60)
    assert not [process for process in left if "Agent" not in process.name()], "Ray's agents take minutes to notice"
    before = stored(broken)
    assert 0 < len(before) < 101
    status, resumed, errors = cli(*request, "--workers", 2, cache=broken)
    assert status == 0, errors
    assert resumed["evaluations"] == {"measured": 101 - len(before), "cached": len(before)}
    _, unbroken, _ = cli(*request, cache=whole)
    assert stored(broken) == stored(whole) and before.items() <= stored(whole).items()
    assert resumed["contributions"] == unbroken["contributions"]


def test_without_ray_a_run_says_how_to_install_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr("core.cluster.machines.metadata.version", missing)
    status, answer, _ = cli("run", "--workers", 2, "--model", "no/such-model")
    assert status == 1 and answer["error"]["kind"] == "ClusterError"
    assert "pip install -r requirements-cluster.txt" in answer["error"]["hint"]


def test_a_cluster_without_a_token_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("core.cluster.machines.metadata.version", lambda _: "2.60.0")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ClusterError, match="no token"):
        check(Machines(address="10.0.0.1:6379"))
    monkeypatch.setattr("core.cluster.machines.metadata.version", lambda _: "2.9.3")
    with pytest.raises(ClusterError, match="too old"):
        check(Machines(2))


def test_a_replica_refuses_another_model(tiny: Path) -> None:
    order = Order(str(tiny), "another", "float32", "cpu", tuple(map(str, range(8))), np.zeros((1, 8), dtype=np.int64))
    assert isinstance(Replica().open(order), Refusal)


def test_blocks_are_contiguous_and_hold_every_row_once() -> None:
    masks = np.random.default_rng(0).random((200, 12)) < 0.5
    found = blocks(masks, 3)
    rows = deque(np.concatenate(found))
    assert sorted(rows) == list(range(200)) and all(30 <= len(block) <= 40 for block in found)
    walked = ["".join(map(str, masks[row].astype(int))) for row in rows]
    assert walked == sorted(walked)
    assert [len(block) for block in blocks(masks[:1], 8)] == [1] and blocks(masks[:0], 8) == []
