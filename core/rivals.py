"""Searches of the literature, held against ours: SLEB and EvoPress; and every rival by name, under one protocol.

SLEB (arXiv 2402.09025) removes, again and again, the layer whose removal leaves the least loss; the first and the last
stay. EvoPress (arXiv 2410.14649) evolves one removal set for one count by swaps, with KL from the whole model as
fitness, on few sequences first and on all for the best of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray

from core import criteria, network
from core.attribution import SAMPLES, stratified_contributions
from core.criteria import Plans
from core.masks import default_strata, removed, stratified
from core.measurements import Measurements
from core.meter import Meter
from core.model import LoadedModel
from core.similarity import similarity

# EvoPress as published: random states it begins with, offspring of a generation, and who goes on to all sequences.
_FIRST, _OFFSPRING, _KEPT = 64, 32, 2
PAPER_MASKS = 300
# Rivals whose meter has to measure divergences.
BY_DIVERGENCE = ("evopress",)
# Those that need plain weights in memory.
BY_WEIGHTS = ("magnitude", "taylor", "taylor+")


@dataclass(frozen=True)
class Contest:
    """What every rival is given: the model, the calibration sequences, and whom it may not remove."""

    loaded: LoadedModel
    ids: torch.Tensor  # (sequences, length)
    meter: Meter  # with a stage of all of them; one for each rival, since it counts
    counts: tuple[int, ...]  # numbers of layers to remove, ascending
    protected: tuple[int, ...] = ()
    seed: int = 0
    units: float | None = None  # compute for each count of a search that is not over by itself; None: as published

    @property
    def most(self) -> int:
        return self.counts[-1]

    @property
    def sequences(self) -> int:
        return len(self.ids)

    def forwards(self, count: float) -> None:
        """Charges forwards of the whole model."""
        self.meter.charge(count * self.meter.cost(self.meter.whole, self.sequences), int(count * self.ids.numel()))


def sleb(contest: Contest) -> Plans:
    """Greedy removal, as long as anything is left to remove."""
    meter = contest.meter
    stay = {0, meter.layers - 1, *contest.protected}
    mask, plans = meter.whole, Plans()
    for count in range(1, contest.most + 1):
        layers = [layer for layer in np.flatnonzero(mask) if layer not in stay]
        if not layers:
            break
        tried = np.repeat(mask[None], len(layers), axis=0)
        tried[np.arange(len(layers)), layers] = False
        losses = meter.losses(tried, contest.sequences).mean(axis=1)
        mask = tried[int(np.where(np.isnan(losses), np.inf, losses).argmin())]
        plans[count] = removed(mask)
    return plans


def evopress(contest: Contest) -> Plans:
    """Evolves the removal of each count by itself."""
    return {count: _evolve(contest, count) for count in contest.counts}


def _evolve(contest: Contest, count: int) -> tuple[int, ...]:
    """Screens offspring on the first stage of the meter, and decides on all sequences."""
    meter, rng = contest.meter, np.random.default_rng(contest.seed)
    few, all_ = meter.stages[0], contest.sequences
    free = np.array([layer for layer in range(meter.layers) if layer not in contest.protected])
    generations = int(count * (meter.layers - count) / 1.5)
    if contest.units is not None:
        in_one = _OFFSPRING * few + (_KEPT + 1) * all_  # forwards of one sequence
        cost = meter.cost(np.arange(meter.layers) >= count, in_one)
        generations = int(contest.units * meter.unit(all_) / cost)

    def best(masks: list[NDArray[np.bool_]], sequences: int, keep: int) -> list[NDArray[np.bool_]]:
        fitness = meter.divergences(np.array(masks), sequences).mean(axis=1)
        return [masks[row] for row in np.argsort(fitness, kind="stable")[:keep]]

    def start() -> NDArray[np.bool_]:
        mask = meter.whole
        mask[rng.choice(free, count, replace=False)] = False
        return mask

    def offspring(parent: NDArray[np.bool_]) -> NDArray[np.bool_]:
        child = parent.copy()
        kept, gone = free[parent[free]], free[~parent[free]]
        swaps = min(*(int(drawn) for drawn in rng.integers(1, 4, 2)), len(kept), len(gone))
        child[rng.choice(kept, swaps, replace=False)] = False
        child[rng.choice(gone, swaps, replace=False)] = True
        return child

    parent = best([start() for _ in range(_FIRST)], few, 1)[0]
    for _ in range(generations):
        screened = best([offspring(parent) for _ in range(_OFFSPRING)], few, _KEPT)
        parent = best([parent, *screened], all_, 1)[0]
    return removed(parent)


def paper(contest: Contest) -> Plans:
    """The paper's ranking: its sampler, its network trained its way, the least contributions first."""
    meter = contest.meter
    strata = default_strata(meter.layers)
    available = sum(comb(meter.layers, kept) for kept in strata)
    masks = stratified(meter.layers, strata, min(PAPER_MASKS, available), contest.seed)
    losses = meter.losses(np.concatenate([meter.whole[None], masks]), contest.sequences)
    usable = np.flatnonzero(~np.isnan(losses[1:]).any(axis=1))
    measured = Measurements(masks[usable], losses[1:][usable], losses[0])
    networks = network.fit_as_paper(measured.masks, measured.scores, contest.seed)
    found = stratified_contributions(networks, meter.layers, strata, SAMPLES, contest.seed).mean(axis=0)
    return criteria.ranking(found, contest.most, contest.protected)


def _random(contest: Contest) -> Plans:
    scores = np.random.default_rng(contest.seed).random(contest.meter.layers)
    return criteria.ranking(scores, contest.most, contest.protected)


def _magnitude(contest: Contest) -> Plans:
    return criteria.ranking(criteria.magnitude(contest.loaded), contest.most, contest.protected)


def _shortgpt(contest: Contest) -> Plans:
    contest.forwards(1)
    scores = criteria.block_influence(similarity(contest.loaded, contest.ids))
    return criteria.ranking(scores, contest.most, contest.protected)


def _window(contest: Contest) -> Plans:
    contest.forwards(1)
    return criteria.windows(similarity(contest.loaded, contest.ids), contest.most, contest.protected)


def _one_shot(contest: Contest) -> Plans:
    scores = criteria.one_shot(contest.meter, contest.sequences)
    return criteria.ranking(scores, contest.most, contest.protected)


def _taylor(contest: Contest) -> Plans:
    contest.forwards(criteria.GRADIENT_COST)
    return criteria.ranking(criteria.taylor(contest.loaded, contest.ids), contest.most, contest.protected)


def _taylor_plus(contest: Contest) -> Plans:
    contest.forwards(criteria.GRADIENT_COST)
    stay = [layer % contest.meter.layers for layer in criteria.TAYLOR_PLUS]
    scores = criteria.taylor(contest.loaded, contest.ids)
    return criteria.ranking(scores, contest.most, (*contest.protected, *stay))


RIVALS: dict[str, Callable[[Contest], Plans]] = {
    "random": _random,
    "magnitude": _magnitude,
    "shortgpt": _shortgpt,
    "window": _window,
    "one-shot": _one_shot,
    "taylor": _taylor,
    "taylor+": _taylor_plus,
    "paper": paper,
    "sleb": sleb,
    "evopress": evopress,
}
