"""What a compensation computes, in block-token evaluations, as a search's budget counts."""

import numpy as np

from core.coalitions.players import computed
from core.compensation.compensate import Mask, cuts_of
from core.evaluate.meter import head_of
from core.model.model import LoadedModel


def cost(loaded: LoadedModel, mask: Mask, how: str, fitted: int, held: int) -> float:
    """The blocks computed for each token, heads as their equivalent in blocks; at most: as of two projections a cut.

    Args:
        loaded: the model.
        mask: (players,), True where a player is kept.
        how: scale or refit.
        fitted: tokens that are fitted on.
        held: tokens that decide, once before all fits and once after each.
    """
    stays = computed(loaded.kept(mask))
    total, cuts = 0.0, cuts_of(stays)
    for cut in cuts:
        # A refit reads up to the cut once for both projections, and again for the MLP's.
        before = cut.start if how == "scale" else 2 * int(np.count_nonzero(stays[: cut.start]))
        total += (cut.stop + before) * fitted
    return total + (len(cuts) + bool(cuts)) * (float(stays.sum()) + head_of(loaded)) * held
