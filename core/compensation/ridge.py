"""Weighted ridge regression from Gram matrices, with its strength chosen by cross-validation over sequences."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Of the mean of the Gram matrix's diagonal.
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


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
        self._xx += x.T @ x
        self._xy += x.T @ y
        self._yy += float(y.square().sum())

    @property
    def sums(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        """x'x, x'y and the sum of squares of y, in float32 where the tokens are."""
        return self._xx, self._xy, self._yy


def solve(xx: torch.Tensor, xy: torch.Tensor, strength: float, intercept: bool) -> torch.Tensor:
    """argmin_W |y - x W|^2 + strength mean(diag x'x) |W|^2, (inputs, outputs), as exact as its dtype.

    An intercept is not held back. Where rounding, or what is no number, leaves nothing to solve, all of it is NaN.
    """
    penalised = xx.clone()
    inputs = len(xx) - intercept
    penalised.diagonal()[:inputs] += strength * xx.diagonal()[:inputs].mean()
    factor, failed = torch.linalg.cholesky_ex(penalised)
    return torch.full_like(xy, torch.nan) if failed else torch.cholesky_solve(xy, factor)


def cross_validated(folds: list[Gram], intercept: bool) -> tuple[Matrix, float]:
    """The solution over all folds, and its strength: that whose fits without a fold err least on it.

    From the middle of STRENGTHS on it goes downhill, and ends where the next one errs more: most are not tried. Those
    fits are only compared, and stay in float32 on the device; the solution is one of float64.
    """
    sums = [fold.sums for fold in folds]
    xx, xy = torch.stack([own[0] for own in sums]).sum(0), torch.stack([own[1] for own in sums]).sum(0)

    @cache
    def error(place: int) -> float:
        return sum(_error(own, xx, xy, STRENGTHS[place], intercept) for own in sums)

    place = len(STRENGTHS) // 2
    for way in (-1, 1):
        while 0 <= place + way < len(STRENGTHS) and error(place + way) < error(place):
            place += way
    exact = solve(xx.cpu().double(), xy.cpu().double(), STRENGTHS[place], intercept)
    return exact.numpy(), STRENGTHS[place]


def _error(
    own: tuple[torch.Tensor, torch.Tensor, float], xx: torch.Tensor, xy: torch.Tensor, strength: float, intercept: bool
) -> float:
    """The sum of squared errors on one fold of the fit on the others."""
    change = solve(xx - own[0], xy - own[1], strength, intercept)
    missed = change * (own[0] @ change - 2 * own[1])
    return own[2] + float(missed.sum(dtype=torch.float64))
