"""Whether a ranking has settled, and how many more evaluations it would take."""

from collections.abc import Sequence

import numpy as np

from core.coalitions.measurements import Floats
from core.records.results import Findings, RunResult
from core.records.values import Z90, Contribution, Stability

# A ranking counts as settled from here on, and growth is looked at up to so many times as many evaluations.
SETTLED = 0.95
_GROWTH = np.geomspace(1, 32, 21)
_DRAWS = 400


def stability(result: RunResult) -> Stability:
    """How far the ranking of a run's contributions would change if other coalitions had been measured.

    Contributions are drawn within their intervals of the doubt of sampling, each by itself, and ranked. Other
    coalitions would miss the truth by as much as these do, so that the draws are apart by sqrt(2) times as much. Their
    mean rank correlation with the ranking that is shown is its stability. With more evaluations, intervals shrink as
    the inverse square root of their number: an extrapolation, which holds where the surrogate is right.
    """
    value, half = (np.array(part) for part in zip(*((c.value, c.high - c.value) for c in result.overall), strict=True))
    noise = np.random.default_rng(0).normal(size=(_DRAWS, len(value))) * half / Z90 * 2**0.5
    found = [_correlation(value, value + noise / growth**0.5) for growth in _GROWTH]
    enough = [growth for growth, correlation in zip(_GROWTH, found, strict=True) if correlation >= SETTLED]
    more = round(result.surrogate.masks * (enough[0] - 1)) if enough else None
    return Stability(float(found[0]), SETTLED, more)


def findings(result: RunResult) -> Findings:
    """What a list of runs says of a result."""
    model, most = result.model, max(result.overall, key=lambda item: item.value).layer
    return Findings(
        fingerprint=model.fingerprint,
        layers=model.layers,
        players=len(model.players),
        dtype=model.dtype,
        device=model.device,
        bos=result.protocol.bos,
        dense_perplexity=result.dense_perplexity,
        matters_most=model.players[most],
        r2=result.surrogate.r2,
        ranks=stability(result).spearman,
        is_exact=result.is_exact,
        fitted=result.surrogate.masks,
        measured=result.measured,
    )


def rank_intervals(items: Sequence[Contribution]) -> Floats:
    """The rank of each layer and its 90 % interval, (n, 3): rank, lowest, highest; 1 is the layer that is needed least.

    Values are drawn within their intervals of the doubt of sampling, each by itself, and ranked.
    """
    value, half = (
        np.array(part) for part in zip(*((item.value, item.high - item.value) for item in items), strict=True)
    )
    drawn = value + np.random.default_rng(0).normal(size=(_DRAWS, len(value))) * half / Z90
    ranks = drawn.argsort(axis=1).argsort(axis=1) + 1
    low, high = np.quantile(ranks, (0.05, 0.95), axis=0, method="closest_observation")
    shown = value.argsort().argsort() + 1
    return np.stack([shown, np.minimum(low, shown), np.maximum(high, shown)], axis=1).astype(np.float64)


def _correlation(shown: Floats, drawn: Floats) -> float:
    """The mean Spearman correlation of a ranking (n,) with others (draws, n); nothing in it is equal."""
    ranks, other = shown.argsort().argsort(), drawn.argsort(axis=1).argsort(axis=1)
    n = len(shown)
    return float(1 - 6 * np.mean(((ranks - other) ** 2).sum(axis=1)) / (n * (n**2 - 1)))
