"""A Gaussian process over coalitions: a surrogate that learns from a few hundred masks.

The kernel is a product over layers: two masks are alike by a factor 1 for each layer in which they agree, and by
rho_i < 1 for each in which they differ; this is the squared exponential kernel with one length scale a layer, on masks.
On the logarithm of a score, effects of layers multiply, as they nearly do. Closed forms of Shapley values rest on the
product (Hamming kernels for attribution: Rundel et al., arXiv 2606.02247).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.records.values import Z90
from core.surrogate.one_thread import one_thread

# Masks that enter the fit: its memory grows with their square. Where more were measured, the first ones are a balanced
# part of the sample, and more would change little.
_SEEN = 3000
# Masks predicted at once: their kernel then takes a hundred megabytes at most.
_CHUNK = 4000


@dataclass(frozen=True)
class Kernel:
    """Hyperparameters: rho_i = exp(-decay_i); prior variance and noise in units of the targets' variance."""

    decay: Floats  # (n,), positive
    variance: float
    noise: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Kernel":
        """The kernel of decays, variance and noise in a row; the inverse of `numbers`."""
        *decay, variance, noise = numbers
        return cls(np.array(decay), variance, noise)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Decays, variance and noise in a row, to be kept."""
        return (*self.decay.tolist(), self.variance, self.noise)

    def __call__(self, left: Masks, right: Masks) -> Floats:
        """The prior covariance of masks (a, n) and (b, n), (a, b)."""
        a, b = left.astype(np.float64), right.astype(np.float64)
        return self.variance * np.exp(-(a * self.decay) @ (1 - b).T - ((1 - a) * self.decay) @ b.T)


@dataclass(frozen=True)
class GaussianProcess:
    """The posterior after `masks` (m, n) were seen."""

    kernel: Kernel
    masks: Masks
    factor: tuple[Floats, bool]  # Cholesky factor of the masks' covariance, noise included
    weights: Floats  # (m,), the inverse covariance times the targets
    mean: float
    scale: float

    def predict(self, masks: Masks) -> Floats:
        """The posterior mean, (masks,)."""
        parts = np.array_split(masks, -(-len(masks) // _CHUNK))
        return self.mean + self.scale * np.concatenate([self.kernel(part, self.masks) @ self.weights for part in parts])

    def deviation(self, masks: Masks) -> Floats:
        """The posterior standard deviation, without noise, (masks,)."""
        found = []
        for part in np.array_split(masks, -(-len(masks) // _CHUNK)):
            covariance = self.kernel(part, self.masks)
            explained = (covariance * cho_solve(self.factor, covariance.T).T).sum(axis=1)
            found.append(np.sqrt(np.maximum(self.kernel.variance - explained, 0)))
        return self.scale * np.concatenate(found)

    def covariance(self, masks: Masks) -> Floats:
        """The posterior covariance of masks (q, n), without noise, (q, q)."""
        seen = self.kernel(masks, self.masks)
        return np.asarray(self.scale**2 * (self.kernel(masks, masks) - seen @ cho_solve(self.factor, seen.T)))

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        """The posterior mean of masks (q, n), (q,), and of each with one layer flipped, (q, n).

        Flipping layer i multiplies each kernel value by rho_i or its inverse, so all flips are one multiplication.
        """
        covariance = self.kernel(masks, self.masks)
        rho = np.exp(-self.kernel.decay)
        # A kept layer i that is flipped differs from the seen masks that keep it, and now agrees with the others.
        kept = covariance @ (self.weights[:, None] * np.where(self.masks, rho, 1 / rho))
        dropped = covariance @ (self.weights[:, None] * np.where(self.masks, 1 / rho, rho))
        whole = covariance @ self.weights
        return self.mean + self.scale * whole, self.mean + self.scale * np.where(masks, kept, dropped)

    def overconfidence(self) -> float:
        """By how much leave-one-out residuals exceed what the posterior claims for them, 1 or more.

        Both are in closed form (Rasmussen and Williams 2006, section 5.4.2); the factor is that of the 90th percentile.
        """
        precision = np.diagonal(cho_solve(self.factor, np.eye(len(self.masks))))
        standardised = np.abs(self.weights) / np.sqrt(precision)
        return max(1.0, float(np.quantile(standardised, 0.9)) / Z90)

    def retarget(self, targets: Floats) -> "GaussianProcess":
        """The posterior if the same masks had shown other targets (m,); hyperparameters and the factor stay."""
        targets = targets[:_SEEN]
        mean, scale = float(targets.mean()), float(targets.std()) or 1.0
        return replace(self, weights=cho_solve(self.factor, (targets - mean) / scale), mean=mean, scale=scale)


@one_thread()
def condition(kernel: Kernel, masks: Masks, targets: Floats) -> GaussianProcess:
    """The posterior after masks (m, n) with their targets (m,), or after the first 3,000 of them."""
    masks, targets = masks[:_SEEN], targets[:_SEEN]
    covariance = kernel(masks, masks)
    covariance[np.diag_indices_from(covariance)] += kernel.noise
    blank = GaussianProcess(kernel, masks, cho_factor(covariance, lower=True), np.zeros(len(masks)), 0.0, 1.0)
    return blank.retarget(targets)
