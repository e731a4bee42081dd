"""What further workers on this machine are worth: coalitions of the bundled model, by one and by several in turn.

Workers have one thread each, and start before the clock does. Seconds are those of the blocks alone.

    python -m benchmarks.workers --workers 1 2
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from cache.database import Database
from cache.store import Store
from core.cluster.machines import Machines
from core.cluster.replica import Text
from core.cluster.spread import Spread, replicas
from core.coalitions.masks import Masks
from core.evaluate.game import Games
from core.pauses import come
from core.records.spec import RunSpec
from core.sampling.strata import default_strata, stratified
from core.text.windows import fingerprint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--masks", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    spec = RunSpec()
    took: dict[int, list[float]] = {workers: [] for workers in options.workers}
    with tempfile.TemporaryDirectory() as folder:
        game = come(Games(Store(Database(Path(folder) / "results.duckdb"))).open(spec, spec.text(), lambda _: None))
        layers, ids = game.loaded.info.layers, game.windows.ids
        masks = stratified(layers, default_strata(layers), options.masks, 0)
        for _ in range(options.rounds):
            for workers in options.workers:
                with replicas(game, spec.model, Machines(workers)) as spread:
                    assert spread is not None
                    took[workers].append(seconds(spread, Text(fingerprint(ids), ids.numpy(), None), masks))
    first = median(took[options.workers[0]])
    for workers, every in took.items():
        worth = f"{first / median(every):.2f} times {options.workers[0]}"
        print(f"{workers} workers: {median(every):.1f} s, {worth}", every)


def seconds(spread: Spread, text: Text, masks: Masks) -> float:
    """How long all workers, once they are there, take for some coalitions."""
    ready = 0
    while not ready or (there := spread.workers()) is None or there.starting:
        ready += len([*spread.blocks(text, np.ones_like(masks[:1]))])
    begun = time.monotonic()
    for _ in spread.blocks(text, masks):
        pass
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
