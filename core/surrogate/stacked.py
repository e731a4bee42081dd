"""The surrogate of scores: the process on the log score and that on the score, stacked.

Effects of layers multiply, so that a process on the logarithm knows the good coalitions; but it learns as much from how
ruined the ruined ones are, of which a score knows nothing. The errors of the two are of different kinds, and largely
make up for each other. The shares are those of the least squared error on coalitions that neither has seen (Wolpert
1992), neither of them negative, of a sum of one (Breiman 1996).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.surrogate.process_readings import Mixture
from core.surrogate.surrogate import FOLDS, Surrogate, folds_of


@dataclass(frozen=True)
class Stacked:
    """Two processes on the same measurements, the first one on the log score, read together as the score."""

    on_log: Surrogate
    on_score: Surrogate
    share: float  # of the process on the log score, 0 to 1

    @property
    def name(self) -> str:
        """Its kind, for people."""
        return "Both Gaussian processes, stacked"

    @property
    def measured(self) -> Measurements:
        """What both were fitted to."""
        return self.on_log.measured

    def reading(self, log: bool) -> Mixture:
        """It, read as the score, which is all that it can be read as."""
        assert not log, "of the log score there is a process of its own"
        return Mixture(self.on_log.reading(False), self.on_score.reading(False), self.share)

    def predict(self, masks: Masks) -> Floats:
        """The predicted score, (masks,)."""
        return self.reading(False).predict(masks)

    def with_fifths(self, seed: int) -> "Stacked":
        """The same with hyperparameters that each fold of the masks has not seen, if it has none yet."""
        return replace(self, on_log=self.on_log.with_fifths(seed), on_score=self.on_score.with_fifths(seed))

    def without_fifths(self, seed: int) -> Iterator[tuple["Stacked", NDArray[np.bool_]]]:
        """Surrogates that have not seen one fold each, nor found their shares on it, and which masks that fold is."""
        shares = _shares(self.on_log.held_out(seed), self.on_score.held_out(seed), self.measured, seed)
        both = zip(self.on_log.without_fifths(seed), self.on_score.without_fifths(seed), shares, strict=True)
        for (on_log, out), (on_score, _), share in both:
            yield Stacked(on_log, on_score, share), out

    def held_out(self, seed: int) -> Floats:
        """The predicted score of each mask by a fit that has not seen it, (masks,)."""
        return together(self.on_log.held_out(seed), self.on_score.held_out(seed), self.measured, seed)

    def on(self, other: Measurements) -> "Stacked":
        """The game on other text, given the losses of the same masks there; hyperparameters and shares stay."""
        return replace(self, on_log=self.on_log.on(other), on_score=self.on_score.on(other))


def stack(on_log: Surrogate, on_score: Surrogate, seed: int) -> Stacked:
    """Two processes on the same measurements, with the shares that serve best; `seed` is of the folds."""
    on_log, on_score = on_log.with_fifths(seed), on_score.with_fifths(seed)
    share = share_of(on_log.held_out(seed), on_score.held_out(seed), on_log.measured.scores)
    return Stacked(on_log, on_score, share)


def together(
    by_log: Floats, by_score: Floats, measured: Measurements, seed: int, among: NDArray[np.bool_] | None = None
) -> Floats:
    """What both predict of masks that they have not seen, (masks,), with shares that each fold had no say in.

    Args:
        by_log, by_score: the scores that each of them predicts, (masks,).
        measured, seed: what they are held against, and of the folds.
        among: which masks have a say in the shares at all, (masks,); None: all.
    """
    share = np.array(_shares(by_log, by_score, measured, seed, among))[folds_of(measured.masks, seed)]
    return np.asarray(share * by_log + (1 - share) * by_score)


def share_of(by_log: Floats, by_score: Floats, scores: Floats) -> float:
    """The first one's share in the mixture of two predictions that is nearest to what was measured; all (masks,)."""
    apart = by_log - by_score
    square = float(apart @ apart)
    return float(np.clip(apart @ (scores - by_score) / square, 0, 1)) if square > 0 else 1.0


def _shares(
    by_log: Floats, by_score: Floats, measured: Measurements, seed: int, among: NDArray[np.bool_] | None = None
) -> list[float]:
    """The share without each fold."""
    folds, scores = folds_of(measured.masks, seed), measured.scores
    some = [(folds != fold) & (True if among is None else among) for fold in range(FOLDS)]
    return [share_of(by_log[rows], by_score[rows], scores[rows]) for rows in some]
