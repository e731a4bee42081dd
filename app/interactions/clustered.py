"""An order of layers in which those that interact alike stand side by side."""

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage

from core.records.values import PairInteractions


def clustered(found: PairInteractions, layers: int) -> tuple[int, ...]:
    """The layers by hierarchical clustering of their interactions with all others, average linkage.

    Leaves are ordered so that neighbours are as near as can be (Bar-Joseph et al. 2001).
    """
    if layers < 3:
        return tuple(range(layers))
    profile = np.zeros((layers, layers))
    for pair in found.pairs:
        profile[pair.first, pair.second] = profile[pair.second, pair.first] = pair.value
    return tuple(int(leaf) for leaf in leaves_list(linkage(profile, "average", optimal_ordering=True)))
