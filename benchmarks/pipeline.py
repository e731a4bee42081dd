"""make bench: what sharing prefixes and keeping freed memory give, and the cost of a contribution.

All sides run in one process, in turn, on the bundled model and the default text; the table gives medians. Absolute
times are of this machine; the ratios and the counts of layer evaluations are what carries over.
"""

import argparse
import json
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from app.libraries import quiet
from core.allocator import keep_freed_memory
from core.attribution import SAMPLES, stratified_contributions
from core.corpora import EMBEDDED, read
from core.evaluation import Evaluator, sequence_losses
from core.masks import Masks, default_strata, stratified
from core.model import load, locate
from core.surrogate import fit
from core.types import TextSpec
from core.windows import cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=30, help="masks evaluated by each side in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    quiet()
    loaded = load(locate("bundled"))
    spec = TextSpec(EMBEDDED, "calibration", 128, 10, seed=0)
    ids = cut(read(EMBEDDED, "calibration"), loaded.checkpoint.tokenizer, spec).ids
    layers = loaded.info.layers
    strata = default_strata(layers)
    masks = stratified(layers, strata, options.masks, 0)
    evaluator = Evaluator(loaded, ids)

    def plain() -> None:
        for mask in masks:
            sequence_losses(loaded, ids, mask)

    def shared() -> None:
        for _ in evaluator.losses(masks):
            pass

    # The allocator cannot be set back, so its side is measured first and last of all.
    before = seconds(shared, 1)
    keep_freed_memory()
    sides = {"plain skipping": [], "shared prefixes": []}
    for _ in range(options.rounds):
        sides["plain skipping"].append(seconds(plain, 1))
        sides["shared prefixes"].append(seconds(shared, 1))
    a_mask = {name: median(values) / len(masks) for name, values in sides.items()}
    networks = fit(masks, np.linspace(0.1, 0.9, len(masks)), np.ones((1, len(masks))), 0)
    contribution = seconds(lambda: stratified_contributions(networks.predict, layers, strata, SAMPLES, 0), 3)
    answer = {
        "model": loaded.info.source,
        "dtype": loaded.info.dtype,
        "masks": len(masks),
        "seconds_a_mask": a_mask,
        "plain_over_shared": a_mask["plain skipping"] / a_mask["shared prefixes"],
        "allocator_off_over_on": before / len(masks) / a_mask["shared prefixes"],
        "layer_evaluations_of_all": {count: share(layers, strata, count) for count in (30, 100, 300, 1000, 3000)},
        f"seconds_for_contributions_from_{SAMPLES}_masks": contribution,
    }
    print(json.dumps(answer, indent=2))


def seconds(work: Callable[[], object], times: int) -> float:
    """The median time of some calls."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def share(layers: int, strata: tuple[int, ...], count: int) -> float:
    """Layer evaluations with shared prefixes, as a share of evaluating every layer of every mask."""
    masks: Masks = stratified(layers, strata, count, 0)
    nodes = {mask[: depth + 1].tobytes() for mask in masks for depth in range(layers) if mask[depth]}
    return round(len(nodes) / (count * layers), 3)


if __name__ == "__main__":
    main()
