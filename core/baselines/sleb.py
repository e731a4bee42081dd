"""SLEB (arXiv 2402.09025): it removes, again and again, the player whose removal leaves the least loss.

The model's first and last player stay.
"""

import numpy as np

from core.baselines.contest import Contest, Plans
from core.coalitions.masks import removed
from core.coalitions.players import spans


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
