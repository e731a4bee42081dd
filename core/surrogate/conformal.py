"""Predictive intervals that hold what they promise on masks that the surrogate has not seen: conformal, by size.

The residuals are those of cross-validation, so that no mask was in the fit that predicts it; the quantile of their
absolute values is the half width (Vovk et al. 2005; cross-conformal). Ruined models are predicted worse than good ones,
so that coalitions of different sizes have intervals of their own (Mondrian). Where sizes have to share a quantile, each
residual is first divided by how large it is expected to be at its size, a power of the number of removed layers: else
one width serves them all, too wide for the largest coalitions and too narrow for the smallest (locally weighted:
Lei et al. 2018, section 5.2).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.records.fits import Band

_LEVEL = 0.9
# Fewer residuals than this say little about a ninetieth percentile: sizes share one until there are as many.
_FEWEST = 30
# The largest power of the number of removed layers that residuals may grow by.
_STEEPEST = 6.0
# Of the median residual, what is added to each before its logarithm: one that happens to be tiny tells nothing.
_FLOOR = 0.05


def bands(masks: Masks, residuals: Floats, seed: int) -> tuple[Band, ...]:
    """The bands of sizes, the largest first: one of each size, or one of all where that is too few for an interval.

    Args:
        masks: (masks, n). One that keeps nothing has no part in this: it is measured, and like no other.
        residuals: measured minus predicted log score of each, held out, (masks,).
        seed: of the halves, of which one sets an interval and the other one tests it, both ways.
    """
    rng = np.random.default_rng(seed)
    some = masks.any(axis=1)
    kept, absolute = masks[some].sum(axis=1), np.abs(residuals[some])
    removed = masks.shape[1] - kept
    growth = _growth(removed, absolute)
    scaled = absolute / np.maximum(removed, 1) ** growth
    found = []
    for sizes in _joined(kept):
        of_group = rng.permutation(scaled[np.isin(kept, sizes)])
        halves = of_group[::2], of_group[1::2]
        inside = [(halves[1 - index] <= _quantile(half)).sum() for index, half in enumerate(halves)]
        coverage, width = float(sum(inside) / len(of_group)), _quantile(of_group)
        if not np.isfinite(width):
            found.append(Band(int(sizes.min()), int(sizes.max()), width, coverage, len(of_group)))
            continue
        for size in sizes:
            half = width * max(masks.shape[1] - int(size), 1) ** growth
            found.append(Band(int(size), int(size), float(half), coverage, len(of_group)))
    return tuple(found)


def band_of(bands: tuple[Band, ...], kept: int) -> Band:
    """The band of a size, or the one next to it."""
    return min(bands, key=lambda band: max(band.fewest - kept, kept - band.most, 0))


def half_of(bands: tuple[Band, ...], kept: int) -> float:
    """The half width at a size: that of its band, and between two bands what lies between the two."""
    below = [band for band in bands if band.most < kept]
    above = [band for band in bands if band.fewest > kept]
    if len(below) + len(above) < len(bands) or not below or not above:
        return band_of(bands, kept).half
    lower, upper = max(below, key=lambda band: band.most), min(above, key=lambda band: band.fewest)
    share = (kept - lower.most) / (upper.fewest - lower.most)
    return lower.half + share * (upper.half - lower.half)


def halves_of_others(masks: Masks, residuals: Floats, parts: NDArray[np.int64], seed: int) -> Floats:
    """The half width that each mask has by the residuals of all other parts, (masks,); it had no say in it.

    Args:
        masks, residuals, seed: as for `bands`.
        parts: the part of each mask, (masks,).
    """
    found = np.empty(len(masks))
    for part in np.unique(parts):
        out = parts == part
        ranges = bands(masks[~out], residuals[~out], seed)
        found[out] = [half_of(ranges, int(kept)) for kept in masks[out].sum(axis=1)]
    return found


def _growth(removed: NDArray[np.int64], absolute: Floats) -> float:
    """By which power of the number of removed layers residuals grow: the slope of their logarithms, 0 or more."""
    sizes = np.log(np.maximum(removed, 1))
    heights = np.log(absolute + _FLOOR * np.median(absolute) + np.finfo(np.float64).tiny)
    spread = ((sizes - sizes.mean()) ** 2).sum()
    if spread == 0:
        return 0.0
    return float(np.clip(((sizes - sizes.mean()) * heights).sum() / spread, 0, _STEEPEST))


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
