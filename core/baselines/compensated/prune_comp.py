"""Prune&Comp (Chen et al., AAAI 2026, arXiv 2507.18212): remove and mend by turns.

Each turn removes the layer of least block influence, 1 - mean cosine of its input and output, in the model as pruned
and mended so far, and makes up for it by one number: how much larger the hidden state is behind the layer than before
it. That is its loop with the criterion CosSim(BI) of its own code.

Its code multiplies what stands before the layer, the embedding too. Where input and output embeddings are one, that
changes the predictions; so here what later layers add is divided instead, which is the same to norms. And the last
layer may go, for which its code has no state to measure behind.
"""

import numpy as np

from core.baselines.compensated.repair import Repair
from core.baselines.contest import Contest, Plans
from core.baselines.criteria import Spans, block_influence
from core.coalitions.masks import without
from core.coalitions.players import spans
from core.compensation.hidden_states import growth
from core.compensation.projections import Patches, patched
from core.compensation.scale import divided
from core.model.masked import playing
from core.model.similarity import similarity

Path = list[tuple[int, float]]


def prune_comp(contest: Contest) -> Plans:
    """The players of its path, as many as each count asks for."""
    loaded = contest.loaded
    where = spans(loaded.info.players)
    for count in range(contest.most):
        gone = [player for player, _ in contest.path[:count]]
        stays = np.ones(len(loaded.blocks), dtype=np.bool_)
        for player in gone:
            stays[slice(*where[player])] = False
        if count == len(contest.path):
            contest.path.append(_turn(contest, gone, where))
            contest.keep()
        contest.meter.charge(float(stays.sum()) * contest.ids.numel(), contest.ids.numel())
        contest.pass_to(*(float(stays[:block].sum()) for block in where[contest.path[count][0]]))
    return {count: tuple(sorted(player for player, _ in contest.path[:count])) for count in contest.counts}


def repair(contest: Contest, removed: tuple[int, ...]) -> Repair:
    """The weights after the turns that removed these players."""
    return Repair(_scaled(contest, contest.path[: len(removed)]))


def _turn(contest: Contest, gone: list[int], where: Spans) -> tuple[int, float]:
    """The next player to go, and its scale."""
    loaded, mask = contest.loaded, without(len(where), gone)
    changed = _scaled(contest, contest.path)  # all blocks are looked at: before some are skipped
    with playing(loaded, mask), patched(loaded.model, changed):
        scores = block_influence(similarity(loaded, contest.ids), where)
        player = int(np.where(mask, scores, np.inf).argmin())
        return player, growth(loaded, contest.fitted, *where[player])


def _scaled(contest: Contest, path: Path) -> Patches:
    """What is added behind removed players, divided by the product of their scales."""
    changed: Patches = {}
    where = spans(contest.loaded.info.players)
    for block, names in contest.divisible.items():
        by = float(np.prod([scale for player, scale in path if where[player][0] <= block]))
        if by != 1:
            changed |= divided(contest.loaded, names, by)
    return changed
