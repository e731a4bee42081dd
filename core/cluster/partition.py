"""Which coalitions one replica measures in one go."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks

# Contiguous blocks of so many share nearly all prefixes that there are to share. Towards the end they get smaller: the
# last to finish is waited for, and it may be slow, or lost. Few share little, and each takes a call and an answer.
_MOST, _LEAST, _EACH = 40, 4, 2


def blocks(masks: Masks, replicas: int) -> list[NDArray[np.int64]]:
    """The rows of `masks` (masks, players) in lexicographic order, cut into contiguous blocks of one row or more.

    Each is what is left over twice the number of replicas, within bounds: guided self-scheduling (Polychronopoulos and
    Kuck 1987).
    """
    order, cuts, done = np.lexsort(masks.T[::-1]), [0], 0
    while done < len(order):
        share = -(-(len(order) - done) // (_EACH * replicas))
        done = min(len(order), done + max(_LEAST, min(_MOST, share)))
        cuts.append(done)
    return [order[low:high] for low, high in pairwise(cuts)]
