"""Values of a game that is known in part: what was measured counts as measured, a surrogate speaks for the rest.

Let v be the game, g the surrogate's reading of it, and M the coalitions that were measured. Values are those of the
hybrid game h: v(S) for S in M, g(S) elsewhere. As values are linear in a game,

    phi_i(h) = phi_i(g) + sum over S in M of W_i(S) (v(S) - g(S)),
    W_i(S) = w(|S| - 1) / C(n - 1, |S| - 1) if i is in S, and -w(|S|) / C(n - 1, |S|) if not,

where w(s) is how much the mean marginal contribution to coalitions of s others counts. It is the Bayesian estimate for
v = f + e with a smooth f and an e that is independent from coalition to coalition: e is known where it was measured,
and expected to be zero elsewhere. Three things follow, whatever the surrogate is. Where the empty and the full
coalition are in M, Shapley values sum to v(N) - v(0) (efficiency). Where every coalition with one player out is in M,
its marginal contribution counts as measured. Where all are in M, values are exact. Each further coalition takes its
part of the surrogate's error away (a control variate; compare RegressionMSR: Witter et al. 2506.11849).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import comb
from scipy.stats import binom

from core.attribution import closed_form, exact
from core.attribution.closed_form import LOCAL, Measure, measure
from core.attribution.stratified import SAMPLES, stratified_contributions
from core.coalitions.masks import MOST_PLAYERS, Masks, everything
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import targets
from core.sampling.strata import marginal_sizes
from core.surrogate.gaussian_process import GaussianProcess
from core.surrogate.process_readings import Floor, Mixture, Reading, ScoreOf
from core.surrogate.stacked import Stacked
from core.surrogate.surrogate import Surrogate

# Masks q in the mean of what the bound of the log score adds: it is small.
_FLOOR_SAMPLES = 8_000
# Sizes of masks q less likely than this are left out.
_LIKELY = 1e-9


@dataclass(frozen=True)
class Averaging:
    """How a kind of value averages over coalitions."""

    kept: Floats  # (n + 1,): how likely masks q of each size are, of which v(q with i) - v(q without i) is the mean
    how: Measure  # the same, over probabilities that another layer is kept

    @property
    def sizes(self) -> Floats:
        """How much marginal contributions to 0..n-1 others count, (n,)."""
        return marginal_sizes(self.kept)


def averaging(kind: str, layers: int, strata: Sequence[int] = ()) -> Averaging:
    """That of stratified, shapley, banzhaf or local values for games of `layers` players."""
    if kind == "stratified":
        kept = np.zeros(layers + 1)
        kept[list(strata)] = 1 / len(strata)
        return Averaging(kept, closed_form.stratified(layers, strata))
    if kind == "shapley":
        kept = np.full(layers + 1, 1 / (layers + 1))
    else:
        kept = binom.pmf(np.arange(layers + 1), layers, {"banzhaf": 0.5, "local": LOCAL}[kind])
    return Averaging(kept, measure(kind, layers))


@dataclass(frozen=True)
class Hybrid:
    """A game that is known in part."""

    masks: Masks  # (m, n), what was measured
    worths: Floats  # (m,)
    reading: Reading

    @cached_property
    def residuals(self) -> Floats:
        """Measured minus predicted worths, (m,)."""
        return self.worths - self.reading.predict(self.masks)

    def predict(self, masks: Masks) -> Floats:
        """The worth of each mask (q, n), (q,), as it was measured or else as it is predicted."""
        predicted = zip(masks, self.reading.predict(masks), strict=True)
        return np.array([self._known.get(mask.tobytes(), worth) for mask, worth in predicted])

    @property
    def complete(self) -> bool:
        """Whether every coalition was measured, so that the surrogate has no say."""
        return bool(len(self.masks) == 2.0 ** self.masks.shape[1])

    @cached_property
    def cube(self) -> Floats | None:
        """The hybrid game as `exact` takes it, (2,) * n, where there are few enough players to name all coalitions."""
        players = self.masks.shape[1]
        if players > MOST_PLAYERS:
            return None
        found = np.zeros(2**players) if self.complete else self.reading.predict(everything(players))
        found = found.reshape((2,) * players)
        found[tuple(self.masks.T.astype(np.int64))] = self.worths
        return found

    def values(self, kinds: Sequence[Averaging], seed: int, samples: int = SAMPLES) -> Floats:
        """The values of some kinds, (kinds, n).

        Args:
            kinds: how each averages.
            seed: of the masks q, where there are too many coalitions to name all.
            samples: masks q in a mean.
        """
        if self.cube is not None:
            return np.array([exact.values(self.cube, kind.sizes) for kind in kinds])
        found = _of_reading(self.reading, kinds, seed, samples)
        found += [correction(self.masks, self.residuals, kind.sizes) for kind in kinds]
        for row, kind in zip(found, kinds, strict=True):
            if np.ptp(kind.kept) == 0:  # Shapley values: what sampling left over of the sum is shared alike
                row += (self._whole() - row.sum()) / len(row)
        return found

    def interactions(self, how: Measure) -> Floats:
        """The interaction of each pair, (n, n), symmetric, with zeros on the diagonal; `how` as for `closed_form`."""
        others = self.masks.shape[1] - 2
        if self.cube is not None:
            return exact.interactions(self.cube, closed_form.sizes(how, others))
        # The process itself: a floor, if its reading has one, hardly shows in a second difference.
        process = self._process
        found = closed_form.interactions(process, how)
        left = self.worths - process.predict(self.masks)
        return np.asarray(found + pair_correction(self.masks, left, closed_form.sizes(how, others)))

    def interactions_left_open(self, how: Measure) -> Floats:
        """The standard deviation of what is not known of the interaction of each pair, (n, n), as `interactions`.

        That of the process; where more than half of all coalitions were measured, no more than those that were not
        could leave open, were all of them off at once.
        """
        process, players = self._process, self.masks.shape[1]
        found = closed_form.interactions_left_open(process, how)
        if players > MOST_PLAYERS or 2 * len(self.masks) < 2**players:
            return found
        every = everything(players)
        others = every[[mask.tobytes() not in self._known for mask in every]]
        off = np.hypot(process.deviation(others), process.scale * np.sqrt(process.kernel.noise))
        return np.minimum(found, pair_correction(others, off, closed_form.sizes(how, players - 2), mixed=1.0))

    @property
    def _process(self) -> GaussianProcess:
        assert not isinstance(self.reading, Mixture), "interactions come from the process on the worth"
        return self.reading.process

    @cached_property
    def _known(self) -> dict[bytes, float]:
        return {mask.tobytes(): float(worth) for mask, worth in zip(self.masks, self.worths, strict=True)}

    def _whole(self) -> float:
        """h(N) - h(0)."""
        nobody, all_ = self.predict(np.array([[False], [True]]).repeat(self.masks.shape[1], axis=1))
        return float(all_ - nobody)


def _of_reading(reading: Reading, kinds: Sequence[Averaging], seed: int, samples: int) -> Floats:
    """The values of a reading itself, (kinds, n): in closed form, and what bends it by sampling."""
    kept = np.array([kind.kept for kind in kinds])
    layers, sizes = kept.shape[1] - 1, np.flatnonzero(kept.max(axis=0) > _LIKELY).tolist()
    if isinstance(reading, Mixture) or (isinstance(reading, ScoreOf) and reading.log):
        return np.asarray(kept[:, sizes] @ stratified_contributions(reading, layers, sizes, samples, seed))
    linear = np.array([closed_form.values(reading.process, kind.how) for kind in kinds])
    if isinstance(reading, ScoreOf):
        return linear
    floor = stratified_contributions(Floor(reading.process), layers, sizes, _FLOOR_SAMPLES, seed)
    return np.asarray(linear + kept[:, sizes] @ floor)


def hybrid(surrogate: Surrogate | Stacked, log: bool, also: Measurements | None = None) -> Hybrid:
    """What is known of a worth, the log score or the score: what a surrogate has seen, the whole model, and `also`."""
    measured, whole = surrogate.measured, np.ones_like(surrogate.measured.masks[:1])
    masks, worths = np.concatenate([whole, measured.masks]), targets(measured, log)
    if also is not None:
        masks, worths = np.concatenate([masks, also.masks]), np.concatenate([worths, targets(also, log)[1:]])
    return Hybrid(masks, worths, surrogate.reading(log))


def correction(masks: Masks, residuals: Floats, sizes: Floats) -> Floats:
    """What measured residuals (m,) of masks (m, n) add to the value of each player, (n,); `sizes` as `exact` has it."""
    each = np.append(sizes / comb(len(sizes) - 1, np.arange(len(sizes))), 0.0)  # the full coalition lacks nobody
    kept = masks.sum(axis=1)
    joins, lacks = residuals * np.where(kept > 0, each[kept - 1], 0.0), residuals * each[kept]
    return np.asarray(joins @ masks - lacks @ ~masks)


def pair_correction(masks: Masks, residuals: Floats, sizes: Floats, mixed: float = -1.0) -> Floats:
    """The same for the interactions of pairs, (n, n), with zeros on the diagonal; `sizes` (n - 1,) of the others.

    A coalition counts as the second difference has it: positive for pairs that it holds or lacks, else `mixed`.
    """
    each = np.concatenate([[0.0, 0.0], sizes / comb(len(sizes) - 1, np.arange(len(sizes))), [0.0, 0.0]])
    kept, held = masks.sum(axis=1), masks.astype(np.float64)
    both, one, none = (residuals * each[kept + shift] for shift in (0, 1, 2))
    apart = (held.T * one) @ (1 - held)
    found = (held.T * both) @ held + ((1 - held).T * none) @ (1 - held) + mixed * (apart + apart.T)
    np.fill_diagonal(found, 0)
    return np.asarray(found)
