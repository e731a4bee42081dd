"""Removing layers one by one is not optimal: the smallest removal of this very game for which it goes wrong.

A layer that another one makes up for looks dispensable as long as the other is there, so a path that never takes a
choice back can lose more than the best set of as many layers (arXiv 2602.07804 argues so from a game of its own).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from core.coalitions.masks import Masks, removed, without
from core.coalitions.measurements import Measurements
from core.records.values import Contribution
from core.selection.removal_paths import least_contributing
from core.surrogate.gaussian_process import GaussianProcess
from core.surrogate.surrogate import Surrogate

Path = tuple[tuple[int, ...], ...]  # removals of 1, 2, ... layers

# Up to so many removals of one count are all looked at; of more, those near the best of one layer less.
_LISTED = 30_000
_BEAM = 50
# From here on a prediction is beyond doubt; below the other one, it is not worth a measurement.
_SURE, _LIKELY = 0.95, 2 / 3


@dataclass(frozen=True)
class Counterexample:
    """Two removals of as many layers; the one that was made one by one loses more."""

    one_by_one: tuple[int, ...]
    better: tuple[int, ...]
    gap: float  # by so much its mean NLL is higher, nats a token
    deviation: float  # of a predicted gap: the posterior's; 0 for a measured one
    measured: bool
    low: float = 0.0  # of a measured gap: its 90 % interval for other text of this kind
    high: float = 0.0

    @property
    def probability(self) -> float:
        """That it loses more, by the surrogate's posterior; on the measured text, 1 where both are measured."""
        return 1.0 if self.measured else float(norm.cdf(self.gap / self.deviation))

    @property
    def settled(self) -> bool:
        """Whether it is measured, and not by chance of the text: the interval of the gap excludes zero."""
        return self.measured and self.low > 0

    @property
    def count(self) -> int:
        """The number of removed layers."""
        return len(self.better)


def by_contribution(contributions: Sequence[Contribution]) -> Path:
    """The layers of least contribution, up to half of them."""
    return tuple(least_contributing(contributions, count) for count in range(1, len(contributions) // 2 + 1))


def by_prediction(surrogate: Surrogate) -> Path:
    """The layer whose removal raises the predicted loss least, given those before it, up to half of them."""
    mask = np.ones(surrogate.measured.masks.shape[1], dtype=np.bool_)
    path = []
    for _ in range(len(mask) // 2):
        _, flipped = surrogate.process.with_flips(mask[None])
        mask[int(np.where(mask, flipped[0], -np.inf).argmax())] = False
        path.append(removed(mask))
    return tuple(path)


def find_counterexample(surrogate: Surrogate, path: Path) -> Counterexample | None:
    """The smallest step of a path that is worse than another removal of as many layers, or else the likeliest one.

    Where the step has been measured and so has a better removal, that settles it if the 90 % interval of the gap, by
    Student's t of the paired differences over sequences, excludes zero; if it does not, this is told only where there
    is nothing better to tell. Where they are not measured, the surrogate compares the
    step with the best predicted removal, and counts where its posterior is sure to 95 %. Where no step counts, it is
    the one that is most probably worse; None where none is to 2/3. No measurement of both may say otherwise.

    Args:
        surrogate: of the log score.
        path: removals of 1, 2, ... layers.
    """
    measured, process = surrogate.measured, surrogate.process
    rises = {removed(mask): float(rise) for mask, rise in zip(measured.masks, measured.rises, strict=True)}
    beam = np.ones((1, measured.masks.shape[1]), dtype=np.bool_)
    likeliest: Counterexample | None = None
    by_chance: Counterexample | None = None
    for step in path:
        beam = _best(process, beam)
        if len(step) == 1:
            continue  # one layer is no path
        known = _measured_better(rises, step)
        if known is not None:
            found = Counterexample(
                step, known, rises[step] - rises[known], 0.0, True, *_interval(measured, step, known)
            )
            if found.settled:
                return found
            by_chance = by_chance or found
            continue
        better = removed(beam[0])
        if step == better or {step, better} <= rises.keys():
            continue
        likely = Counterexample(step, better, *_predicted_gap(surrogate, step, better), measured=False)
        if likely.probability > _SURE:
            return likely
        if likely.probability > (likeliest.probability if likeliest else _LIKELY):
            likeliest = likely
    return likeliest or by_chance


def _interval(measured: Measurements, step: tuple[int, ...], better: tuple[int, ...]) -> tuple[float, float]:
    """The 90 % interval of how much more the step loses on other text of this kind; infinite from one sequence."""
    sets = [without(measured.masks.shape[1], gone) for gone in (step, better)]
    rows = [int((measured.masks == mask).all(axis=1).argmax()) for mask in sets]
    with np.errstate(invalid="ignore"):
        gaps = measured.losses[rows[0]] - measured.losses[rows[1]]
    if len(gaps) < 2 or not np.isfinite(gaps).all():
        return -np.inf, np.inf
    half = float(t.ppf(0.95, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps)))
    return float(gaps.mean()) - half, float(gaps.mean()) + half


def _measured_better(rises: dict[tuple[int, ...], float], step: tuple[int, ...]) -> tuple[int, ...] | None:
    """The best measured removal of as many layers, if the step was measured, too, and lost more."""
    if step not in rises:
        return None
    best = min((other for other in rises if len(other) == len(step)), key=lambda other: rises[other])
    return best if rises[best] < rises[step] else None


def _predicted_gap(surrogate: Surrogate, step: tuple[int, ...], better: tuple[int, ...]) -> tuple[float, float]:
    """How much more the step is predicted to lose, and the standard deviation of that."""
    layers = surrogate.measured.masks.shape[1]
    both = np.stack([without(layers, step), without(layers, better)])
    one, other = surrogate.process.predict(both)
    covariance = surrogate.process.covariance(both)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    deviation = surrogate.process.overconfidence() * np.sqrt(max(float(variance), 1e-12))
    return float(other - one), float(deviation)


def _best(process: GaussianProcess, beam: Masks) -> Masks:
    """The masks of best prediction that remove one layer more than those of `beam`, the best first, at most 50."""
    layers, count = beam.shape[1], int((~beam[0]).sum()) + 1
    if comb(layers, count) <= _LISTED:
        return _ranked(process, np.array([without(layers, gone) for gone in combinations(range(layers), count)]))
    longer = _ranked(process, np.unique([_flip(mask, out) for mask in beam for out in np.flatnonzero(mask)], axis=0))
    while True:  # swaps of the best, until none is better
        best = longer[0]
        swaps = [_flip(best, out, back) for out in np.flatnonzero(best) for back in np.flatnonzero(~best)]
        longer = _ranked(process, np.unique(np.concatenate([longer, swaps]), axis=0))
        if (longer[0] == best).all():
            return longer


def _ranked(process: GaussianProcess, masks: Masks) -> Masks:
    """The 50 masks of best prediction, the best first."""
    return np.asarray(masks[np.argsort(-process.predict(masks), kind="stable")[:_BEAM]])


def _flip(mask: NDArray[np.bool_], *layers: np.intp) -> NDArray[np.bool_]:
    found = mask.copy()
    found[list(layers)] ^= True
    return found
