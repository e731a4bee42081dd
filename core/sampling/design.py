"""In which order coalitions tell most of Shapley values: a Bayesian design, which needs no measurement.

A game is taken as v = g + e: g a Gaussian process in which two coalitions are alike by exp(-c h / n) where they differ
in h of n players, e independent from coalition to coalition, of variance d. The covariance of player i's value with the
worth of a coalition S of s players then depends on s alone, and on whether S holds i: with rho = exp(-c / n), for those
that it holds,

    (1 - rho) integral over t of (t + (1 - t) rho)^(s - 1) (1 - t + t rho)^(n - s) + d / (n C(n - 1, s - 1)),

and for the others the negative of the same with s + 1 in the place of s. To measure S takes |cov(phi, v(S))|^2 / var
v(S) off the sum of the variances of all values, given what was measured before; those are next whose coalitions take
most, each by itself (A-optimal designs: Chaloner and Verdinelli 1995, section 2.2; integrals by Gaussian processes:
O'Hagan 1991). No worth is in it, so that the order is known before a run.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import comb

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats

# How unlike a coalition and its complement are, c, and the variance of what no other coalition tells, d, in units of
# that of g: of 2.4, 4.8, 9.6 and of .02, .05, .2 those that served ten games of twelve players best. More players have
# only been looked at afterwards.
_UNLIKE, _OWN = 4.8, 0.05
_LEAST = 1e-9  # a variance below which nothing is left to tell
# What is within this share of the best tells as much, and the first one of them is next: coalitions of one size tell as
# much as each other at the start, and another processor, which rounds otherwise, has to find the same design.
_ALIKE = 1e-6


def most_telling(known: Masks, groups: Sequence[Masks]) -> Iterator[Masks]:
    """The groups one after the other, each the one whose coalitions take most of what is open, by their mean.

    Args:
        known: what is measured in any case, (k, n), k at least 1.
        groups: coalitions that are measured together, (1 or 2, n) each; all different, and none is among `known`.
    """
    every = np.concatenate([known, *groups])
    open_ = _Open(every)
    for row in range(len(known)):
        open_.measure(row)
    ends = len(known) + np.cumsum([len(group) for group in groups], dtype=np.int64)
    begins, left = ends - [len(group) for group in groups], np.ones(len(groups), dtype=np.bool_)
    while left.any():
        told = np.append(0.0, np.cumsum(open_.gains()))
        mean = np.where(left, (told[ends] - told[begins]) / (ends - begins), -1.0)
        best = int(np.argmax(mean >= (1 - _ALIKE) * mean.max()))
        left[best] = False
        yield groups[best]
        for row in range(begins[best], ends[best]):
            open_.measure(row)


class _Open:
    """What is open of the values, and of the worths of some masks (m, n), given those that were measured."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks.astype(np.float64)
        holds, lacks = covariances(masks.shape[1])
        kept = masks.sum(axis=1)
        self._shared = np.where(masks, holds[kept][:, None], lacks[kept][:, None])  # with the values, (m, n)
        self._variance = np.full(len(masks), 1 + _OWN)
        # Cholesky, of the masks' covariance: a column for each that was measured.
        self._factor = np.empty((len(masks), len(masks)))
        self._measured = 0

    def gains(self) -> Floats:
        """How much less the variances of all values are in sum once a mask is measured, (m,)."""
        return np.asarray(np.square(self._shared).sum(axis=1) / np.maximum(self._variance, _LEAST))

    def measure(self, row: int) -> None:
        """Conditions on the worth of one mask."""
        one = self._masks[row]
        differ = self._masks.sum(axis=1) + one.sum() - 2 * self._masks @ one
        column = np.exp(-_UNLIKE / len(one) * differ)
        column[row] += _OWN
        seen = self._factor[:, : self._measured]
        column -= seen @ seen[row]
        column /= np.sqrt(max(column[row], _LEAST))
        share = self._shared[row] / column[row]
        self._shared -= np.outer(column, share)
        self._variance -= np.square(column)
        self._factor[:, self._measured] = column
        self._measured += 1


def covariances(layers: int) -> tuple[Floats, Floats]:
    """Of a player's Shapley value and the worth of a coalition of 0..n that holds it, and that lacks it, (n + 1,) each.

    The first entry of the one and the last of the other stand for no coalition, and are zero.
    """
    at, weight = leggauss(layers // 2 + 1)  # exact for polynomials of degree n - 1
    kept, rho = (at + 1) / 2, np.exp(-_UNLIKE / layers)
    others = np.arange(layers)  # in the coalition beside the player
    like, unlike = kept + (1 - kept) * rho, 1 - kept + kept * rho
    integral = (weight / 2 * like ** others[:, None] * unlike ** (layers - 1 - others[:, None])).sum(axis=1)
    each = (1 - rho) * integral + _OWN / (layers * comb(layers - 1, others))
    return np.append(0.0, each), np.append(-each, 0.0)
