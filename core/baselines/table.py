"""Every rival by its name: how it goes about what `records.plans.METHODS` says of it."""

from collections.abc import Callable

import numpy as np

from core.baselines import criteria
from core.baselines.cbo import cbo
from core.baselines.compensated import linearpatch, prune_comp, replaceme
from core.baselines.compensated.repair import Repair
from core.baselines.contest import Contest, Plans
from core.baselines.evopress import evopress
from core.baselines.lorp import lorp
from core.baselines.paper import paper
from core.baselines.sleb import sleb
from core.coalitions.players import spans
from core.model.similarity import similarity


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
    near = similarity(contest.loaded, contest.ids)
    return criteria.windows(near.angle, spans(contest.loaded.info.players), contest.most)


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


def _lorp(contest: Contest) -> Plans:
    contest.forwards(1)
    return lorp(contest, similarity(contest.loaded, contest.ids))


def _replaceme(contest: Contest) -> Plans:
    contest.forwards(1)
    return replaceme.replaceme(contest, similarity(contest.loaded, contest.ids))


def _linearpatch(contest: Contest) -> Plans:
    contest.forwards(1)
    return linearpatch.linearpatch(contest, similarity(contest.loaded, contest.ids))


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
    "cbo": cbo,
    "lorp": _lorp,
    "prune-comp": prune_comp.prune_comp,
    "replaceme": _replaceme,
    "linearpatch": _linearpatch,
}

# What those that mend do besides removing: for a contest in which they have chosen, and players that they remove.
REPAIRS: dict[str, Callable[[Contest, tuple[int, ...]], Repair]] = {
    "prune-comp": prune_comp.repair,
    "replaceme": replaceme.repair,
    "linearpatch": linearpatch.repair,
}
