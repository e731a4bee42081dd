"""Whether a ranking has settled, and how many more evaluations it would take."""

import numpy as np
from scipy.stats import rankdata

from core.attribution import Z90
from core.results import RunResult, Stability

# A ranking counts as settled from here on, and growth is looked at up to so many times as many evaluations.
SETTLED = 0.95
_GROWTH = np.geomspace(1, 32, 21)
_DRAWS = 400


def stability(result: RunResult) -> Stability:
    """How far the ranking of a run's contributions would change if other coalitions had been measured.

    Contributions are drawn within their intervals of the doubt of sampling, each by itself, and ranked; the mean rank
    correlation with the ranking that is shown is its stability. With more evaluations, intervals shrink as the inverse
    square root of their number: an extrapolation, which holds where the surrogate is right.
    """
    value, half = (np.array(part) for part in zip(*((c.value, c.high - c.value) for c in result.overall), strict=True))
    noise = np.random.default_rng(0).normal(size=(_DRAWS, len(value))) * half / Z90
    found = [_correlation(value, value + noise / growth**0.5) for growth in _GROWTH]
    enough = [growth for growth, correlation in zip(_GROWTH, found, strict=True) if correlation >= SETTLED]
    more = round(result.surrogate.masks * (enough[0] - 1)) if enough else None
    return Stability(float(found[0]), SETTLED, more)


def _correlation(shown: np.ndarray, drawn: np.ndarray) -> float:
    """The mean Spearman correlation of a ranking (n,) with others (draws, n)."""
    ranks, other = rankdata(shown), rankdata(drawn, axis=1)
    ranks, other = ranks - ranks.mean(), other - other.mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks**2).sum() * (other**2).sum(axis=1))
    return float(np.mean(other @ ranks / np.maximum(spread, 1e-12)))
