"""Runs that workers measure: the same numbers as without, whoever is killed on the way."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest

from app.root import ROOT
from benchmarks.simulated_ray import Costs, Node, SimulatedRay
from cache import evaluations, queries
from cache.database import Database
from cache.store import Store
from core.cluster import replica
from core.cluster.machines import Machines, check
from core.cluster.partition import blocks
from core.cluster.replica import Order, Replica, Text
from core.cluster.spread import Spread
from core.errors import ClusterError
from core.model.model import LoadedModel
from core.records.events import Event, Finished, Progress
from core.records.looks import Refusal
from core.records.spec import OFFLOAD, RunSpec
from core.run.engine import Engine
from tests.support.commands import Cli

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


def every(database: Database) -> list[tuple[object, ...]]:
    """The losses and divergences of all games in a results file, by game and mask."""
    with database.reading() as connection:
        rows = "SELECT game, mask, losses, kl FROM evaluations LEFT JOIN divergences USING (game, mask) ORDER BY ALL"
        return connection.execute(rows).fetchall()


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
def test_three_workers_give_the_same_bytes(tmp_path: Path, spec: RunSpec) -> None:
    """As one worker does, and two, which tests below kill or send on a search."""
    found = []
    for machines in (None, Machines(3)):
        file = tmp_path / f"{machines is None}.duckdb"
        coalitions(file, spec, machines)
        found.append(stored(file))
    assert all(len(one) == 51 and one == found[0] for one in found)
    assert replicas() == []


@by_ray
def test_rounds_that_are_added_and_a_search_are_spread_as_well(tmp_path: Path, spec: RunSpec) -> None:
    """An adaptive run with its search: everything in the results file is the same, if a worker dies, too."""
    spec = replace(spec, sampler="adaptive")
    ends, told, killed = [], [], 0
    for machines in (None, Machines(2)):
        database = Database(tmp_path / f"{machines is None}.duckdb")
        workers = []
        for event in Engine(Store(database)).run(spec, search=True, machines=machines):
            if isinstance(event, Progress) and event.workers is not None:
                workers.append(event.workers)
                if not killed and sum(event.workers.coalitions) > 51:  # the run has 51
                    replicas()[0].kill()
                    killed = sum(event.workers.coalitions)
        [run] = queries.runs(database)
        assert run.status == "finished"
        ends.append((every(database), queries.selection(database, run.run, ())))
        told.append(workers)
    assert ends[0] == ends[1] and ends[0][1] is not None
    assert not told[0] and told[1][-1].lost == 1 and replicas() == []
    assert killed > 51, "the search is measured here"


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
def test_a_killed_driver_leaves_nothing_behind_and_resumes(tiny: Path, text_file: Path, tmp_path: Path) -> None:
    spec = RunSpec(model=str(tiny), corpus=str(text_file), sequences=60, window=64, masks=100)
    broken, whole = tmp_path / "broken.duckdb", tmp_path / "whole.duckdb"
    asked = ("--model", str(tiny), "--corpus", str(text_file), "--sequences", "60", "--window", "64", "--masks", "100")
    command = [sys.executable, "-m", "app", "run", *asked, "--workers", "2", "--cache", str(broken)]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while driver.poll() is None and not (broken.exists() and evaluations.count_evaluations(Database(broken))):
        time.sleep(0.05)
    # Ray's agents take minutes to notice.
    workers = [each for each in psutil.Process(driver.pid).children(recursive=True) if "Agent" not in each.name()]
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = stored(broken)
    coalitions(whole, spec, None)
    assert 0 < len(before) < 101 and before.items() <= stored(whole).items()
    last = coalitions(broken, spec, Machines(2))[-1]
    assert isinstance(last, Progress) and last.cached == len(before)
    assert stored(broken) == stored(whole)
    _, left = psutil.wait_procs(workers, timeout=60)
    assert workers and not left


@by_ray
def test_a_lost_machine_and_a_wrong_token(
    nodes: dict[str, Any], spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes on this machine, of which one is killed: the run ends with the same numbers."""
    whole, broken = tmp_path / "whole.duckdb", tmp_path / "broken.duckdb"
    machines = Machines(address=nodes["address"])
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another-" + nodes["token"])
    with pytest.raises(ClusterError, match="refuses the token") as refused:
        coalitions(broken, spec, machines)
    assert "RAY_AUTH_TOKEN" in refused.value.hint
    monkeypatch.setenv("RAY_AUTH_TOKEN", nodes["token"])
    coalitions(whole, spec, None)
    events = Engine(Store(Database(broken))).run(spec, machines=machines)
    for event in events:
        if isinstance(event, Progress) and event.done and psutil.pid_exists(nodes["raylet"]):
            os.kill(nodes["raylet"], signal.SIGKILL)
        if isinstance(event, Progress) and event.done == event.total:
            break
    events.close()
    assert stored(broken) == stored(whole)


@pytest.fixture
def nodes() -> Iterator[dict[str, Any]]:
    """Two nodes of Ray on this machine, their address, token, and the process of the second."""
    token = secrets.token_hex(32)
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": ROOT}
    command = [sys.executable, "-m", "tests.core.cluster.two_nodes"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    environment = os.environ | {name: str(value) for name, value in settings.items()}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as both:
        assert both.stdout is not None
        said = next(line for line in both.stdout if line.startswith("{"))
        yield {"token": token, **json.loads(said)}
        both.communicate("")


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
    order = Order(str(tiny), "another", "float32", "cpu", tuple(map(str, range(8))))
    assert isinstance(Replica().open(order), Refusal)


class _Gpus(SimulatedRay):
    """A cluster of five GPUs, which notes what actors ask for."""

    needs: ClassVar[list[dict[str, object]]] = []

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 64, "GPU": 5}

    def remote(self, *actor: object, **needs: object) -> Any:
        self.needs += [needs] if needs else []
        return super().remote(*actor, **needs)


@pytest.mark.parametrize(("gpus", "replicas"), [(1, 5), (2, 2), (5, 1)])
def test_a_replica_is_given_the_gpus_that_hold_the_model(gpus: int, replicas: int) -> None:
    masks = np.random.default_rng(0).random((60, 8)) < 0.5
    ray = _Gpus(Costs(1.0, 0.5, 10.0, 0.0, 0.0, 0.0, 2.0), [Node(9)], [])
    order, text = Order("", "", "", "cuda", (), gpus), Text("", np.zeros((1, 1), np.int64))
    spread = Spread(order, Machines(), ray.connected)
    assert sorted(row for rows, _ in spread.blocks(text, masks) for row in rows) == list(range(60))
    assert len(ray.replicas) == replicas and ray.needs[-1]["num_gpus"] == gpus
    with pytest.raises(ClusterError, match=f"need {gpus} GPUs? each, and Ray has room for {replicas}"):
        list(Spread(order, Machines(replicas + 1), ray.connected).blocks(text, masks))


@pytest.mark.parametrize(("gpus", "device"), [(1, "cuda"), (2, OFFLOAD)])
def test_a_replica_spreads_its_model_over_all_that_it_is_given(
    gpus: int, device: str, tiny: Path, tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(replica, "load", lambda _, __, on: asked.append(on) or tiny_loaded)
    info = tiny_loaded.info
    Replica().open(Order(str(tiny), info.fingerprint, info.dtype, "cuda", info.players, gpus))
    assert asked == [device]


def test_blocks_are_contiguous_and_hold_every_row_once() -> None:
    masks = np.random.default_rng(0).random((200, 12)) < 0.5
    found = blocks(masks, 3)
    rows = deque(np.concatenate(found))
    sizes = [len(block) for block in found]
    assert (
        sorted(rows) == list(range(200))
        and sizes == sorted(sizes, reverse=True)
        and (max(sizes), min(sizes)) == (34, 4)
    )
    walked = ["".join(map(str, masks[row].astype(int))) for row in rows]
    assert walked == sorted(walked)
    assert [len(block) for block in blocks(masks[:1], 8)] == [1] and blocks(masks[:0], 8) == []
