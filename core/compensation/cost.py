"""What a compensation computes, in block-token evaluations, as a search's budget counts."""

import numpy as np

from core.coalitions.players import computed
from core.compensation.compensate import Mask, cuts_of
from core.compensation.towards_logits import DAMPINGS, LENGTHS, STEPS
from core.evaluate.meter import head_of
from core.model.model import LoadedModel


def cost(loaded: LoadedModel, mask: Mask, how: str, fitted: int, held: int) -> float:
    """The blocks computed for each token, heads as their equivalent in blocks; at most: as of two projections a cut.

    Args:
        loaded: the model.
        mask: (players,), True where a player is kept.
        how: scale, refit or logits.
        fitted: tokens that are fitted on.
        held: tokens that decide, once before all fits and once after each.
    """
    stays = computed(loaded.kept(mask))
    total, cuts = 0.0, cuts_of(stays)
    for cut in cuts:
        # A refit reads up to the cut once for both projections, and again for the MLP's.
        before = cut.start if how == "scale" else 2 * int(np.count_nonzero(stays[: cut.start]))
        total += (cut.stop + before) * fitted
    head, left = head_of(loaded), float(stays.sum())
    if how == "logits" and cuts:
        # Each step: the whole model's predictions, its own, and these backward, which for one in three is done twice.
        behind = float(stays[max(0, cuts[0].start - 1) :].sum()) + head
        total += STEPS * (len(stays) + left + 2 * head + 4 / 3 * behind) * fitted
        total += STEPS * len(DAMPINGS) * len(LENGTHS) * (left + head) * held
    return total + (len(cuts) + bool(cuts)) * (left + head) * held
