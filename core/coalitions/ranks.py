"""Ranks of values, and how alike two rankings are; of numpy alone, so that a command does not wait for statistics."""

from collections.abc import Sequence

import numpy as np

from core.coalitions.measurements import Floats


def ranks(values: Floats) -> Floats:
    """The rank of each value (n,): 1 is the least, and equal ones share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(count) - (count - 1) / 2)[place]
    return found


def rank_correlation(ours: Floats, theirs: Floats) -> float:
    """Spearman's, of two sets of values (n,); not a number where one gives all the same, or holds what is no number."""
    if np.isnan(ours).any() or np.isnan(theirs).any():
        return float("nan")
    one, other = ranks(ours), ranks(theirs)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def rank_correlations(rows: Sequence[Floats]) -> list[list[float]]:
    """Spearman's of each two sets of values."""
    return [[rank_correlation(one, other) for other in rows] for one in rows]
