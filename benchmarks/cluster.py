"""What many machines are worth: 10,000 coalitions of a model of 80 layers on 8, 64 and 256 replicas, simulated.

Blocks are cut by `core/cluster/partition.py` and handed out, stored and put back by `core/cluster/spread.py`: the
product's own code, on a cluster that is simulated with what layers, heads, calls and transactions cost (`COSTS`). Four
things happen to it: nothing; one replica in eight takes twice as long; one node in eight, of two replicas each, is lost
while it measures, for good; both.

    python -m benchmarks.cluster
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated_ray import Costs, Node, SimulatedRay
from core.cluster.machines import Machines
from core.cluster.partition import blocks
from core.cluster.replica import Order, Text
from core.cluster.spread import Spread
from core.coalitions.masks import Masks, layer_evaluations
from core.sampling.samplers import rounds
from core.sampling.strata import default_strata, stratified

REPLICAS, DRAWS = (8, 64, 256), 3
LAYERS, MASKS = 80, 10_000
_NODE, _ONE_IN, _SLOW = 2, 8, 2.0
HAPPENS = ("nothing", "slow replicas", "lost nodes", "both")

# A block of 1,280 rows of Llama-2-7B's shape took 1.14 ms on an NVIDIA H200 when it was measured. Llama-2-70B's has
# 4.23 times its weights, and its head .306 of those: nobody has timed it, it is taken to go by the weights.
_BLOCK_7B = 4 * 4096**2 + 3 * 4096 * 11008
_BLOCK_70B = 2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672
_LAYER = 1.14e-3 * _BLOCK_70B / _BLOCK_7B
COSTS = Costs(
    layer=_LAYER,
    head=_LAYER * 32000 * 8192 / _BLOCK_70B,
    load=80.0,  # Ray took up to 9 s to start; 141 GB at 2 GB/s, which is assumed
    call=0.002,
    transaction=0.02,  # 20.8 ms with 40 coalitions of ten sequences, 118.9 ms with 4,000: medians of 20, on two cores
    coalition=2.5e-5,
    notice=5.0,  # assumed
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=REPLICAS)
    parser.add_argument("--masks", type=int, default=MASKS)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/cluster.json"))
    options = parser.parse_args()
    answer = simulated(options.layers, options.masks, options.replicas, options.draws)
    print(table(answer))
    options.out.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")


def simulated(layers: int, count: int, replicas: Sequence[int], draws: int) -> dict[str, Any]:
    """All clusters; each figure the mean over draws of the coalitions and of who is slow or lost."""
    found: dict[str, Any] = {}
    for size in replicas:
        every = {what: [_one(layers, count, size, what, seed) for seed in range(draws)] for what in HAPPENS}
        found[str(size)] = {
            what: {name: float(np.mean([one[name] for one in ones])) for name in ones[0]}
            for what, ones in every.items()
        }
    return {"layers": layers, "masks": count, "draws": draws, "costs": asdict(COSTS), "replicas": found}


def _one(layers: int, count: int, size: int, what: str, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    masks = np.concatenate([np.ones((1, layers), bool), stratified(layers, default_strata(layers), count, seed)])
    parts = [masks[low:high] for low, high in pairwise(rounds(count))]
    work = sum(layer_evaluations(part) for part in parts)
    seconds = work * COSTS.layer + len(masks) * COSTS.head
    nodes = [Node(_NODE) for _ in range(size // _NODE)]
    paces = np.ones(size)
    if what in ("slow replicas", "both"):
        paces[rng.permutation(size)[: size // _ONE_IN]] = _SLOW
    if what in ("lost nodes", "both"):
        for place in rng.permutation(len(nodes))[: max(1, len(nodes) // _ONE_IN)]:
            nodes[place].lost = COSTS.load + rng.uniform() * seconds / size
    ray = SimulatedRay(COSTS, nodes, paces.tolist())
    text = Text("", np.zeros((1, 1), dtype=np.int64))
    spread = Spread(Order("", "", "", "cpu", ()), Machines(size), ray.connected)
    for part in parts:
        for rows, _ in spread.blocks(text, part):
            ray.now += COSTS.stored(len(rows))
    there = [
        (min(one.node.lost, ray.now) - one.since) / one.pace for one in ray.replicas if one.node and one.since < ray.now
    ]
    return {
        "blocks": sum(len(blocks(part, size)) for part in parts),
        "seconds": ray.now - COSTS.load,
        "speedup": seconds / (ray.now - COSTS.load),
        "efficiency": seconds / sum(there),
        "sharing lost": ray.layers / work - 1,
        "sharing lost at random": _at_random(parts, size, rng) / work - 1,
        "measured in vain": ray.vain / len(masks),
    }


def _at_random(parts: Sequence[Masks], size: int, rng: np.random.Generator) -> int:
    """The layers that the same numbers of coalitions would take in blocks that are drawn at random."""
    return sum(
        layer_evaluations(shuffled[rows])
        for part in parts
        for shuffled in [part[rng.permutation(len(part))]]
        for rows in np.array_split(np.arange(len(part)), len(blocks(part, size)))
    )


def table(answer: dict[str, Any]) -> str:
    """One line for each cluster and what happens to it."""
    lines = [
        "| replicas | what happens | blocks | seconds | times one replica | efficiency | layers computed twice, % "
        "| in random blocks, % | coalitions measured in vain, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size, every in answer["replicas"].items():
        for what, found in every.items():
            cells = [f"{found['blocks']:.0f}", f"{found['seconds']:.1f}", f"{found['speedup']:.1f}"]
            shares = [found[name] for name in ("sharing lost", "sharing lost at random", "measured in vain")]
            cells += [f"{found['efficiency']:.2f}", *(f"{100 * share:.1f}" for share in shares)]
            lines.append(f"| {' | '.join([size, what, *cells])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
