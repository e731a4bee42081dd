"""How much too well the best predicted sets are predicted: the winner's curse, measured without a further evaluation.

Whoever takes the best of many predictions takes errors along that happen to be in its favour. By the posterior there
would be none of that, but no game is a draw from its prior. So the choice is made as if half of the coalitions were all
(with the same hyperparameters), and what all of them say of the chosen set is held against what promised it. Under the
posterior the difference has mean 0 and variance `deviation_half^2 - deviation_all^2`; its mean in those units, over
halves and sizes, is by how many of its own posterior deviations a set falls short when all of them have chosen it.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_solve

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.surrogate.gaussian_process import GaussianProcess, condition

_SPLITS = 6
# A set about which all coalitions say no more than half of them is no test, in units of the prior's variance.
_TOLD = 1e-6


def optimism(process: GaussianProcess, targets: Floats, fewest: int) -> float:
    """By how many posterior standard deviations the best predicted sets fall short of their prediction, 0 or more.

    Args:
        process: a posterior, whose first mask is the whole model.
        targets: of its masks, (m,).
        fewest: layers that the smallest set to choose keeps.
    """
    rng, seen = np.random.default_rng(0), len(process.masks)
    standard = (targets[:seen] - process.mean) / process.scale
    short = []
    for _ in range(_SPLITS):
        for some in np.array_split(1 + rng.permutation(seen - 1), 2):
            rows = np.append(0, some)
            half = condition(process.kernel, process.masks[rows], standard[rows])
            weights = cho_solve(half.factor, standard[rows])
            half = replace(half, weights=weights, mean=process.mean, scale=process.scale)
            chosen = _best(half, fewest)
            told = half.deviation(chosen) ** 2 - process.deviation(chosen) ** 2
            some_told = told > _TOLD * process.scale**2 * process.kernel.variance
            short.append((half.predict(chosen) - process.predict(chosen))[some_told] / np.sqrt(told[some_told]))
    every = np.concatenate(short)
    return max(0.0, float(every.mean())) if len(every) else 0.0


def _best(process: GaussianProcess, fewest: int) -> Masks:
    """The best predicted removal of 1, 2, ... layers, each one layer more than that before, (removals, n)."""
    mask = np.ones(process.masks.shape[1], dtype=np.bool_)
    path = []
    while mask.sum() > max(fewest, 1):
        _, flipped = process.with_flips(mask[None])
        mask[int(np.where(mask, flipped[0], -np.inf).argmax())] = False
        path.append(mask.copy())
    return np.array(path).reshape(-1, len(mask))
