"""Which coalitions one replica measures in one go."""

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks

# Contiguous blocks of about so many share nearly all prefixes that there are to share; every replica gets a few, since
# the last to finish is waited for.
_MASKS, _EACH = 40, 2


def blocks(masks: Masks, replicas: int) -> list[NDArray[np.int64]]:
    """The rows of `masks` (masks, players) in lexicographic order, cut into contiguous blocks of one row or more."""
    order = np.lexsort(masks.T[::-1])
    count = min(len(order), max(-(-len(order) // _MASKS), _EACH * replicas))
    return np.array_split(order, count) if count else []
