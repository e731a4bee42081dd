"""The hyperparameters of a Gaussian process over coalitions: those of the largest posterior density."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.surrogate.gaussian_process import Kernel
from core.surrogate.one_thread import one_thread

# Masks that they are learnt from. Where more were measured, the first ones are a balanced part of the sample.
LEARNT_FROM = 800
_STEPS = 60
_START_DECAY, _START_NOISE, _JITTER = 0.2, 0.02, 1e-6
# The least noise beside a large variance, so that thousands of masks can be factored.
_ROUNDED = 1e-9
# Precisions of the prior on logarithms: of a decay about the mean of all, of that mean, of the noise, of the variance.
# The last is weak: a nearly additive game is a large variance with small decays.
_OF_DECAY, _OF_MEAN, _OF_NOISE, _OF_VARIANCE = 1.0, 0.1, 0.25, 0.25
# What a step costs that leaves where the covariance can be factored: it is taken back.
_NOWHERE = 1e12
# Games whose hyperparameters are kept: pages and commands ask again for the same ones, and for those without each fold.
_KEPT = 128


def learn(masks: Masks, targets: Floats) -> Kernel:
    """Hyperparameters from the first few hundred masks.

    The prior holds the decays near each other, and variance and noise near what a game looks like. Without it, a
    layer that few masks drop would be declared irrelevant, and a few ruined models among good ones would make all of it
    noise. The gradient is in closed form (Rasmussen and Williams 2006, equation 5.9).

    Args:
        masks: (m, n).
        targets: (m,), finite.
    """
    seen, worths = np.asarray(masks[:LEARNT_FROM], np.bool_), np.asarray(targets[:LEARNT_FROM], np.float64)
    return _learnt(seen.shape, seen.tobytes(), worths.tobytes())


@lru_cache(_KEPT)
@one_thread()
def _learnt(shape: tuple[int, int], of_masks: bytes, of_targets: bytes) -> Kernel:
    masks = np.frombuffer(of_masks, np.bool_).reshape(shape)
    some, values = masks.astype(np.float64), np.frombuffer(of_targets)
    values = (values - values.mean()) / (values.std(ddof=1) or 1.0)
    layers = some.shape[1]
    start = np.log([*np.full(layers, _START_DECAY), 1.0, _START_NOISE])
    precision = np.diag([*np.full(layers, _OF_DECAY), _OF_VARIANCE, _OF_NOISE])
    precision[:layers, :layers] += (_OF_MEAN / layers - _OF_DECAY) / layers

    def loss(at: Floats) -> tuple[float, Floats]:
        decay, variance, noise = _parts(at)
        signal = Kernel(decay, variance, noise)(masks, masks)
        covariance = signal.copy()
        covariance[np.diag_indices_from(covariance)] += noise
        try:
            factor = cho_factor(covariance, lower=True)
        except LinAlgError:
            return _NOWHERE, np.zeros_like(at)
        weights = cho_solve(factor, values)
        away = at - start
        total = 0.5 * values @ weights + np.log(np.diagonal(factor[0])).sum() + 0.5 * away @ precision @ away
        # Half of the derivative of the fit by the covariance, element by element.
        slope = 0.5 * (cho_solve(factor, np.eye(len(values))) - np.outer(weights, weights))
        shaped = slope * signal
        # A decay acts where two masks differ in its layer: one of them keeps it, the other one does not.
        differing = 2 * (some * (shaped @ (1 - some))).sum(axis=0)
        jitter, trace = _ROUNDED * variance, np.trace(slope)
        of_noise = (noise - jitter - _JITTER) * trace
        gradient = np.array([*(-decay * differing), shaped.sum() + jitter * trace, of_noise])
        return float(total), gradient + precision @ away

    # The bounds keep a step from overflowing; nothing near them is likely.
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-20, 20)] * len(start), options={"maxiter": _STEPS}
    )
    return Kernel(*_parts(found.x))


def _parts(at: NDArray[np.float64]) -> tuple[Floats, float, float]:
    """Decays, variance and noise from their logarithms."""
    decay, variance = np.exp(at[:-2]), np.exp(at[-2])
    noise = np.exp(at[-1]) + _JITTER + _ROUNDED * variance
    return decay, float(variance), float(noise)
