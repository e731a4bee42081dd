"""Weighted ridge regression from Gram matrices, with its strength chosen by cross-validation over sequences.

With two folds and n inputs no more than 12 n^2 bytes are held at a time: the two Gram matrices and one factor in
float32, and at the end one matrix in float64 beside that from which it is made.
"""

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

Matrix = NDArray[np.float64]
Sums = tuple[torch.Tensor, torch.Tensor, float]

# Of the mean of the Gram matrix's diagonal.
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_OUTPUTS = 512  # for which an error is worked out at a time


class Gram:
    """The sums over tokens of which a regression consists: x'x, x'y and y'y, each token weighted."""

    def __init__(self, inputs: int, outputs: int, device: torch.device, intercept: bool) -> None:
        """Begins with nothing; `intercept` appends a column of ones to the inputs."""
        self._ones = int(intercept)
        self._xx = torch.zeros(inputs + self._ones, inputs + self._ones, device=device)
        self._xy = torch.zeros(inputs + self._ones, outputs, device=device)
        self._yy = 0.0

    def add(self, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds tokens: x (tokens, inputs), y (tokens, outputs), weight (tokens,)."""
        root = weight.float().sqrt()[:, None]
        if self._ones:
            x = torch.cat([x.float(), torch.ones_like(root)], dim=1)
        x, y = x.float() * root, y.float() * root
        self._xx.addmm_(x.T, x)
        self._xy.addmm_(x.T, y)
        self._yy += float(y.square().sum())

    @property
    def sums(self) -> Sums:
        """x'x, x'y and the sum of squares of y, in float32 where the tokens are, if one can solve with them there."""
        where = torch.device("cpu") if self._xx.device.type == "mps" else self._xx.device
        return self._xx.to(where), self._xy.to(where), self._yy


def cross_validated(folds: list[Gram], intercept: bool) -> tuple[Matrix, float]:
    """The solution over both folds, and its strength: that whose fits to one fold err least on the other.

    From the middle of STRENGTHS on it goes downhill, and ends where the next one errs more: most are not tried. Those
    fits are only compared, and stay in float32 on the device; the solution is one of float64. The list is emptied.
    """
    first, second = (fold.sums for fold in folds)
    folds.clear()
    strength = _strength(first, second, intercept)
    xx, xy = first[0].add_(second[0]), first[1].add_(second[1])
    del first, second  # before anything of twice the size is made
    return solve(xx.cpu().double().numpy(), xy.cpu().double().numpy(), strength, intercept), strength


def solve(xx: Matrix, xy: Matrix, strength: float, intercept: bool) -> Matrix:
    """argmin_W |y - x W|^2 + strength mean(diag x'x) |W|^2, (inputs, outputs); an intercept is not held back.

    NaN where that has no one solution. Both sums are overwritten.
    """
    inputs = len(xx) - intercept
    xx.flat[: inputs * (len(xx) + 1) : len(xx) + 1] += strength * np.diag(xx)[:inputs].mean()
    try:
        # Transposed it is the same matrix, in the order that LAPACK overwrites.
        factor = cho_factor(xx.T, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return np.full(xy.shape, np.nan)
    return np.asarray(cho_solve(factor, xy, check_finite=False), dtype=np.float64)


def _strength(first: Sums, second: Sums, intercept: bool) -> float:
    @cache
    def error(place: int) -> float:
        found = sum(_error(*pair, STRENGTHS[place], intercept) for pair in ((first, second), (second, first)))
        return found if math.isfinite(found) else math.inf

    place = len(STRENGTHS) // 2
    for way in (-1, 1):
        while 0 <= place + way < len(STRENGTHS) and error(place + way) < error(place):
            place += way
    return STRENGTHS[place]


def _error(own: Sums, other: Sums, strength: float, intercept: bool) -> float:
    """The sum of squared errors on one fold of the fit to the other; NaN where float32 cannot tell."""
    penalised = other[0].clone()
    inputs = len(penalised) - intercept
    penalised.diagonal()[:inputs] += strength * penalised.diagonal()[:inputs].mean()
    failed = torch.zeros((), dtype=torch.int32, device=penalised.device)
    factor = penalised.T  # the same matrix, in the order that LAPACK overwrites
    torch.linalg.cholesky_ex(factor, out=(factor, failed))
    if failed:
        return math.nan
    missed = 0.0
    for target, judged in zip(*(torch.split(sums[1], _OUTPUTS, dim=1) for sums in (other, own)), strict=True):
        half = torch.linalg.solve_triangular(factor, target, upper=False)
        change = torch.linalg.solve_triangular(factor.T, half, upper=True)
        missed += float((change * (own[0] @ change - 2 * judged)).double().sum())
    return own[2] + missed
