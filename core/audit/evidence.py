"""What there is to hold a run against: its coalitions, and what else is measured of its game. Nothing is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from core.attribution.contributions import contributions
from core.attribution.named_values import surrogate_of
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOG_SCORE, SCORE
from core.records.results import RunResult
from core.records.values import Contribution
from core.surrogate.stacked import Stacked
from core.surrogate.surrogate import Surrogate, fit_worth
from core.surrogate.validation import log_residuals

_LEVEL = 0.9  # of every interval
_UNLIKELY = 0.05


@dataclass(frozen=True)
class Evidence:
    """A run, and what is measured of its game."""

    result: RunResult
    finished: bool
    seed: int
    measured: Measurements  # the run's own coalitions, in the order in which it has them
    every: Measurements  # all of its game
    divergences: Measurements | None  # the run's own with KL in place of losses; None where too little was measured
    plans: Sequence[tuple[int, ...]]  # the removals that a search has chosen

    @property
    def known(self) -> RunResult | None:
        """The result, where its surrogates are those of all of the run's coalitions."""
        return self.result if self.finished else None

    @property
    def players(self) -> int:
        return int(self.measured.masks.shape[1])

    @property
    def complete(self) -> bool:
        """Whether the run has measured every coalition, so that no surrogate has a say."""
        return bool(len(self.measured) + 1 == 2.0**self.players)

    @cached_property
    def on_log(self) -> Surrogate:
        """The surrogate that predicts."""
        found = fit_worth(self.measured, LOG_SCORE.name, self.known)
        return found if self.complete else found.with_fifths(self.seed)

    @cached_property
    def in_use(self) -> Surrogate | Stacked:
        """The surrogate that contributions come from."""
        found = surrogate_of(self.measured, SCORE.name, self.seed, self.known)
        return found if self.complete else found.with_fifths(self.seed)

    @cached_property
    def contributions(self) -> tuple[Contribution, ...]:
        """What the run's coalitions give now."""
        return contributions(self.in_use, self.result.strata, self.seed)

    @cached_property
    def predicted(self) -> Floats:
        """The score of each coalition by what predicts and has not seen it, (masks,)."""
        return self.on_log.held_out(self.seed)

    @cached_property
    def residuals(self) -> Floats:
        """Measured minus predicted log score of the same, (masks,)."""
        return log_residuals(self.predicted, self.measured)


def difference(ours: ArrayLike, theirs: ArrayLike) -> float:
    """The largest difference of two arrays, in units of the largest entry; infinite where they are not comparable."""
    one, other = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if one.shape != other.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        off = np.where(one == other, 0.0, np.abs(one - other))
    largest = np.abs(other[np.isfinite(other)]).max(initial=0.0)
    return float(np.where(np.isfinite(off), off, np.inf).max(initial=0.0) / (largest or 1.0))


def holds(inside: int, of: int, among: int = 1) -> bool:
    """Whether so few of independent trials inside a 90 % interval, or fewer, are not unlikely; one of `among` such."""
    return bool(binom.cdf(inside, of, _LEVEL) >= _UNLIKELY / among)
