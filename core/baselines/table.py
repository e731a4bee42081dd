"""Searches of the literature, held against ours: SLEB and EvoPress; and every rival by name, under one protocol.

SLEB (arXiv 2402.09025) removes, again and again, the player whose removal leaves the least loss; the model's first and
last stay. EvoPress (arXiv 2410.14649) evolves one removal set for one count by swaps, with KL from the whole model as
fitness, on few sequences first and on all for the best of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray

from core.attribution.stratified import SAMPLES, stratified_contributions
from core.baselines import criteria
from core.baselines.criteria import Plans
from core.coalitions.masks import removed
from core.coalitions.measurements import Measurements
from core.coalitions.players import spans
from core.evaluate.meter import Meter
from core.model.model import LoadedModel
from core.model.similarity import similarity
from core.sampling.strata import default_strata, stratified
from core.surrogate import paper_network

# EvoPress as published: random states it begins with, offspring of a generation, and who goes on to all sequences.
_FIRST, _OFFSPRING, _KEPT = 64, 32, 2
PAPER_MASKS = 300
# Rivals whose meter has to measure divergences.
BY_DIVERGENCE = ("evopress",)
# Those that need plain weights in memory.
BY_WEIGHTS = ("magnitude", "taylor", "taylor+")


@dataclass(frozen=True)
class Contest:
    """What every rival is given: the model, the calibration sequences, and how much to remove."""

    loaded: LoadedModel
    ids: torch.Tensor  # (sequences, length)
    meter: Meter  # with a stage of all of them; one for each rival, since it counts
    counts: tuple[int, ...]  # numbers of players to remove, ascending
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
    info, last = contest.loaded.info, meter.players - 1
    where = spans(info.players)
    stay = {*[0] * (where[0][0] == 0), *[last] * (where[last][1] == info.layers)}  # unless they do not play
    mask, plans = meter.whole, Plans()
    for count in range(1, contest.most + 1):
        players = [player for player in np.flatnonzero(mask) if player not in stay]
        if not players:
            break
        tried = np.repeat(mask[None], len(players), axis=0)
        tried[np.arange(len(players)), players] = False
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


def paper(contest: Contest) -> Plans:
    """The paper's ranking: its sampler, its network trained its way, the least contributions first."""
    meter = contest.meter
    strata = default_strata(meter.players)
    available = sum(comb(meter.players, kept) for kept in strata)
    masks = stratified(meter.players, strata, min(PAPER_MASKS, available), contest.seed)
    losses = meter.losses(np.concatenate([meter.whole[None], masks]), contest.sequences)
    usable = np.flatnonzero(~np.isnan(losses[1:]).any(axis=1))
    measured = Measurements(masks[usable], losses[1:][usable], losses[0])
    networks = paper_network.fit_as_paper(measured.masks, measured.scores, contest.seed)
    found = stratified_contributions(networks, meter.players, strata, SAMPLES, contest.seed).mean(axis=0)
    return criteria.ranking(found, contest.most)


def _random(contest: Contest) -> Plans:
    scores = np.random.default_rng(contest.seed).random(contest.meter.players)
    return criteria.ranking(scores, contest.most)


def _magnitude(contest: Contest) -> Plans:
    return criteria.ranking(criteria.magnitude(contest.loaded), contest.most)


def _shortgpt(contest: Contest) -> Plans:
    contest.forwards(1)
    scores = criteria.block_influence(similarity(contest.loaded, contest.ids), spans(contest.loaded.info.players))
    return criteria.ranking(scores, contest.most)


def _window(contest: Contest) -> Plans:
    contest.forwards(1)
    return criteria.windows(similarity(contest.loaded, contest.ids), spans(contest.loaded.info.players), contest.most)


def _one_shot(contest: Contest) -> Plans:
    scores = criteria.one_shot(contest.meter, contest.sequences)
    return criteria.ranking(scores, contest.most)


def _taylor(contest: Contest) -> Plans:
    contest.forwards(criteria.GRADIENT_COST)
    return criteria.ranking(criteria.taylor(contest.loaded, contest.ids), contest.most)


def _taylor_plus(contest: Contest) -> Plans:
    contest.forwards(criteria.GRADIENT_COST)
    info = contest.loaded.info
    blocks = [block % info.layers for block in criteria.TAYLOR_PLUS]
    where = enumerate(spans(info.players))
    stay = [player for player, (begin, end) in where if any(begin <= block < end for block in blocks)]
    return criteria.ranking(criteria.taylor(contest.loaded, contest.ids), contest.most, stay)


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
