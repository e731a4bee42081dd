"""Weighted ridge regression from Gram matrices, with its strength chosen by cross-validation over sequences."""

import math
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
        """x'x, x'y and the sum of squares of y, in float32 where the tokens are, if one can solve with them there."""
        where = torch.device("cpu") if self._xx.device.type == "mps" else self._xx.device
        return self._xx.to(where), self._xy.to(where), self._yy


def solve(xx: Matrix, xy: Matrix, strength: float, intercept: bool) -> Matrix:
    """argmin_W |y - x W|^2 + strength mean(diag x'x) |W|^2, (inputs, outputs); an intercept is not held back.

    NaN where that has no one solution.
    """
    inputs = len(xx) - intercept
    penalty = np.zeros(len(xx))
    penalty[:inputs] = strength * np.diag(xx)[:inputs].mean()
    try:
        return np.asarray(np.linalg.solve(xx + np.diag(penalty), xy), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.full(xy.shape, np.nan)


def cross_validated(folds: list[Gram], intercept: bool) -> tuple[Matrix, float]:
    """The solution over all folds, and its strength: that whose fits without a fold err least on it.

    From the middle of STRENGTHS on it goes downhill, and ends where the next one errs more: most are not tried. Those
    fits are only compared, and stay in float32 on the device; the solution is one of float64.
    """
    sums = [fold.sums for fold in folds]
    xxs, xys = [own[0] for own in sums], [own[1] for own in sums]
    xx, xy = (sum(part[1:], part[0]) for part in (xxs, xys))

    @cache
    def error(place: int) -> float:
        found = sum(_error(own, xx, xy, STRENGTHS[place], intercept) for own in sums)
        return found if math.isfinite(found) else math.inf

    place = len(STRENGTHS) // 2
    for way in (-1, 1):
        while 0 <= place + way < len(STRENGTHS) and error(place + way) < error(place):
            place += way
    every_xx, every_xy = (sum((own.cpu().double().numpy() for own in part), np.zeros(1)) for part in (xxs, xys))
    return solve(every_xx, every_xy, STRENGTHS[place], intercept), STRENGTHS[place]


def _error(
    own: tuple[torch.Tensor, torch.Tensor, float], xx: torch.Tensor, xy: torch.Tensor, strength: float, intercept: bool
) -> float:
    """The sum of squared errors on one fold of the fit on the others; NaN where float32 cannot tell."""
    penalised, target, inputs = xx - own[0], xy - own[1], len(xx) - intercept
    penalised.diagonal()[:inputs] += strength * penalised.diagonal()[:inputs].mean()
    factor, failed = torch.linalg.cholesky_ex(penalised)
    if failed:
        return math.nan
    change = torch.cholesky_solve(target, factor)
    missed = change * (own[0] @ change - 2 * own[1])
    return own[2] + float(missed.double().sum())
