"""Seconds and blocks an answer: a model's own forwards, each coalition by itself, and coalitions that share prefixes.

One model (bundled, float32), the same items and masks, in one process, in turn: after all masks have answered an item
together, a few of them do it again by the other ways. Times are processor seconds of this machine; ratios and counts
carry over.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cli.opening import quiet
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks
from core.model.model import LoadedModel, load
from core.sampling.strata import default_strata, stratified
from core.tasks.items import Item, items_of
from core.tasks.likelihood import Likelihoods
from core.tasks.naming import tasks_named
from core.tasks.readings import Alone

OTHERS = 6  # masks of each item that answer it again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with a JSON lines file of each task")
    parser.add_argument("--tasks", nargs="+", default=["arc_easy", "lambada_openai", "piqa"])
    parser.add_argument("--items", type=int, default=4)
    parser.add_argument("--masks", type=int, default=300)
    options = parser.parse_args()
    quiet()
    loaded = load(locate("bundled"), "float32", "cpu")
    layers = loaded.info.layers
    masks = stratified(layers, default_strata(layers), options.masks, 0)
    for task in tasks_named(options.tasks, options.data, None, options.items):
        print(measured(task.name, loaded, items_of(task, loaded.checkpoint), masks), flush=True)


def measured(name: str, loaded: LoadedModel, items: list[Item], masks: Masks) -> str:
    """One task."""
    ways, rng = Likelihoods(loaded), np.random.default_rng(0)
    list(ways.answers(items[0], masks[:2]))  # proofs
    together, alone, plain = np.zeros((3, 2))  # seconds and blocks an answer
    apart = 0.0
    for item in items:
        cost, found = taken(loaded, ways.answers(item, masks))
        together += cost / len(masks)
        for row in rng.choice(len(masks), OTHERS, replace=False):
            cost, again = taken(loaded, ways.answers(item, masks[row][None]))
            alone += cost / OTHERS
            plain += taken(loaded, ways.by_forwards(Alone(loaded, item.tokens), masks[row][None]))[0] / OTHERS
            apart = max(apart, float(np.abs(np.subtract(again[0].likelihoods, found[int(row)].likelihoods)).max()))
    (seconds, blocks), others = (
        together / len(items),
        {"alone": alone / len(items), "by plain forwards": plain / len(items)},
    )
    ratios = "; ".join(
        f"{way} {1e3 * some[0]:.0f} ms and {some[1]:.1f}: {some[0] / seconds:.2f} and {some[1] / blocks:.2f} times"
        for way, some in others.items()
    )
    return (
        f"{name}: {len(items)} items, {len(masks)} masks: {1e3 * seconds:.0f} ms and {blocks:.1f} blocks an answer"
        f" together; {ratios}; likelihoods together and alone are {apart} apart"
    )


def taken(loaded: LoadedModel, work: Iterator[tuple[int, Any]]) -> tuple[NDArray[np.float64], dict[int, Any]]:
    """Processor seconds, blocks that computed (a skipped one has a forward of its own), and what came of it."""
    blocks = [0]

    def count(block: Any, *_: Any) -> None:
        blocks[0] += "forward" not in vars(block)

    handles = [block.register_forward_pre_hook(count) for block in loaded.blocks.modules]
    begun = time.process_time()
    found = dict(work)
    cost = np.array([time.process_time() - begun, blocks[0]])
    for handle in handles:
        handle.remove()
    return cost, found


if __name__ == "__main__":
    main()
