"""The benchmark of many machines: what is handed out comes back, and its seconds are those that one adds up by hand."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import cluster
from benchmarks.simulated_ray import Costs, Node, SimulatedRay
from core.cluster.machines import Machines
from core.cluster.replica import Order, Text
from core.cluster.spread import Spread
from core.coalitions.masks import Masks, layer_evaluations
from core.errors import ClusterError
from core.sampling.strata import default_strata, stratified

COSTS = Costs(layer=1.0, head=0.5, load=10.0, call=0.0, transaction=0.0, coalition=0.0, notice=2.0)
MASKS = stratified(12, default_strata(12), 200, 0)


def measured(ray: SimulatedRay, masks: Masks = MASKS) -> None:
    spread = Spread(Order("", "", "", "cpu", ()), Machines(), ray.connected)
    rows = [row for block, _ in spread.blocks(Text("", np.zeros((1, 1), np.int64)), masks) for row in block]
    assert sorted(rows) == list(range(len(masks)))


def test_one_table_and_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """The same at every start; one replica that nothing happens to computes nothing twice but where rounds begin."""
    found = []
    for name in ("one.json", "other.json"):
        options = ["--replicas", "8", "16", "--masks", "400", "--layers", "20", "--draws", "2"]
        monkeypatch.setattr(sys, "argv", ["cluster", *options, "--out", str(tmp_path / name)])
        cluster.main()
        found.append((tmp_path / name).read_text())
    assert found[0] == found[1]
    answer = json.loads(found[0])
    assert cluster.table(answer) in capsys.readouterr().out
    for every in answer["replicas"].values():
        calm, lost = every["nothing"], every["lost nodes"]
        assert 0 < calm["efficiency"] <= 1 and calm["measured in vain"] == 0 < lost["measured in vain"]
        assert 0 < calm["sharing lost"] < calm["sharing lost at random"]
        assert every["slow replicas"]["seconds"] > calm["seconds"]


def test_one_replica_takes_what_one_walk_does() -> None:
    ray = SimulatedRay(COSTS, [Node(1)], [1.0])
    measured(ray)
    assert ray.layers == layer_evaluations(MASKS)
    assert ray.now == COSTS.load + ray.layers * COSTS.layer + len(MASKS) * COSTS.head


def test_a_slow_one_holds_up_whoever_waits_for_its_block() -> None:
    """By hand: two blocks of four coalitions of one layer each, and two replicas, one three times as slow."""
    masks = np.eye(8, dtype=np.bool_)
    ray = SimulatedRay(COSTS, [Node(2)], [1.0, 3.0])
    measured(ray, masks)
    assert ray.now == COSTS.load + 3 * 4 * (COSTS.layer + COSTS.head)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_lost_every_coalition_is_kept_once(seed: int) -> None:
    """All but one of eight nodes go, at any moment: while they load, while they measure, or when all is over."""
    rng = np.random.default_rng(seed)
    nodes = [Node(2, float(moment)) for moment in rng.uniform(0, 60, 7)]
    ray = SimulatedRay(COSTS, [*nodes, Node(1)], [1.0] * 15)
    measured(ray)
    assert ray.vain > 0 and ray.layers > layer_evaluations(MASKS)


def test_a_block_that_nobody_measures_ends_the_run() -> None:
    class Failing(SimulatedRay):
        def get(self, call: Any) -> Any:
            if call.found is not None:
                raise self.exceptions.RayTaskError("MemoryError")

    with pytest.raises(ClusterError, match="given to 3 workers, and none has measured them: Broken: MemoryError"):
        measured(Failing(COSTS, [Node(2)], [1.0, 1.0]))


def test_a_cluster_without_machines_ends_the_run() -> None:
    """The last one goes while it measures: nobody waits for a machine that may never come."""
    with pytest.raises(ClusterError, match="No machine of the cluster is left"):
        measured(SimulatedRay(COSTS, [Node(2, 30.0)], [1.0, 1.0]))
