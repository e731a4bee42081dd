"""Predictive intervals that hold what they promise on masks that the surrogate has not seen: conformal, by size.

The residuals are those of cross-validation, so that no mask was in the fit that predicts it; the quantile of their
absolute values is the half width (Vovk et al. 2005; cross-conformal). Ruined models are predicted worse than good ones,
so that coalitions of different sizes have intervals of their own (Mondrian).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.records.fits import Band

_LEVEL = 0.9
# Fewer residuals than this say little about a ninetieth percentile: sizes are joined until there are as many.
_FEWEST = 30


def bands(masks: Masks, residuals: Floats, seed: int) -> tuple[Band, ...]:
    """The bands of sizes, the largest first.

    Args:
        masks: (masks, n).
        residuals: measured minus predicted log score of each, held out, (masks,).
        seed: of the halves, of which one sets an interval and the other one tests it, both ways.
    """
    rng = np.random.default_rng(seed)
    kept = masks.sum(axis=1)
    found = []
    for sizes in _joined(kept):
        of_band = rng.permutation(np.abs(residuals[np.isin(kept, sizes)]))
        halves = of_band[::2], of_band[1::2]
        inside = [(halves[1 - index] <= _quantile(half)).sum() for index, half in enumerate(halves)]
        coverage = sum(inside) / len(of_band)
        found.append(Band(int(sizes.min()), int(sizes.max()), _quantile(of_band), float(coverage), len(of_band)))
    return tuple(found)


def band_of(bands: tuple[Band, ...], kept: int) -> Band:
    """The band of a size, or the one next to it."""
    return min(bands, key=lambda band: max(band.fewest - kept, kept - band.most, 0))


def _joined(kept: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Groups of neighbouring sizes with enough masks, the largest first; what is left at the end joins the last."""
    groups: list[list[int]] = [[]]
    for size in np.unique(kept)[::-1]:
        if np.isin(kept, groups[-1]).sum() >= _FEWEST and (kept <= size).sum() >= _FEWEST:
            groups.append([])
        groups[-1].append(int(size))
    yield from (np.array(group) for group in groups)


def _quantile(absolute: Floats) -> float:
    """The conformal quantile: of m residuals, the ceil(.9 (m + 1))-th; infinite where m is too small for one."""
    rank = int(np.ceil(_LEVEL * (len(absolute) + 1)))
    return float(np.sort(absolute)[rank - 1]) if rank <= len(absolute) else float("inf")
