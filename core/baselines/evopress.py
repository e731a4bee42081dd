"""EvoPress (arXiv 2410.14649): it evolves one removal set for one count by swaps.

Fitness is KL from the whole model, on few sequences first and on all for the best of them.
"""

import numpy as np
from numpy.typing import NDArray

from core.baselines.contest import Contest, Plans
from core.coalitions.masks import removed

# As published: random states it begins with, offspring of a generation, and who goes on to all sequences.
_FIRST, _OFFSPRING, _KEPT = 64, 32, 2


def evopress(contest: Contest) -> Plans:
    """Evolves the removal of each count by itself."""
    return {count: _evolve(contest, count) for count in contest.counts}


def _evolve(contest: Contest, count: int) -> tuple[int, ...]:
    """Screens offspring on the first stage of the meter, and decides on all sequences."""
    meter, rng = contest.meter, np.random.default_rng(contest.seed)
    few, all_ = meter.stages[0], contest.sequences
    generations = int(count * (meter.players - count) / 1.5)
    if contest.units is not None:
        in_one = _OFFSPRING * few + (_KEPT + 1) * all_  # forwards of one sequence
        cost = meter.cost(np.arange(meter.players) >= count, in_one)
        generations = int(contest.units * meter.unit(all_) / cost)

    def best(masks: list[NDArray[np.bool_]], sequences: int, keep: int) -> list[NDArray[np.bool_]]:
        fitness = meter.divergences(np.array(masks), sequences).mean(axis=1)
        return [masks[row] for row in np.argsort(fitness, kind="stable")[:keep]]

    def start() -> NDArray[np.bool_]:
        mask = meter.whole
        mask[rng.choice(meter.players, count, replace=False)] = False
        return mask

    def offspring(parent: NDArray[np.bool_]) -> NDArray[np.bool_]:
        child = parent.copy()
        kept, gone = np.flatnonzero(parent), np.flatnonzero(~parent)
        swaps = min(*(int(drawn) for drawn in rng.integers(1, 4, 2)), len(kept), len(gone))
        child[rng.choice(kept, swaps, replace=False)] = False
        child[rng.choice(gone, swaps, replace=False)] = True
        return child

    parent = best([start() for _ in range(_FIRST)], few, 1)[0]
    for _ in range(generations):
        screened = best([offspring(parent) for _ in range(_OFFSPRING)], few, _KEPT)
        parent = best([parent, *screened], all_, 1)[0]
    return removed(parent)
