"""The surrogate of scores: the process on the log score and that on the score, stacked.

Effects of layers multiply, so that a process on the logarithm fits them, but its errors grow with the score. Those of a
process on the score are alike everywhere, and drown what is left of ruined models. So the second one is believed in
proportion to how much there is to be off by: its share is s / (s + level) where the first one says s. Together they are
nearer to what was measured than either. The level is that of the least squared error on coalitions that neither has
seen (stacking: Wolpert 1992).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.surrogate.process_readings import Mixture, mixed
from core.surrogate.surrogate import FOLDS, Surrogate, folds_of

# From where the process on the score has nearly all the say, to where it has none.
_LEVELS = np.logspace(-4, 4, 81)


@dataclass(frozen=True)
class Stacked:
    """Two processes on the same measurements, the first one on the log score, read together as the score."""

    on_log: Surrogate
    on_score: Surrogate
    level: float  # the score at which both count alike

    @property
    def name(self) -> str:
        """Its kind, for people."""
        return "Both processes, stacked"

    @property
    def measured(self) -> Measurements:
        """What both were fitted to."""
        return self.on_log.measured

    def reading(self, log: bool) -> Mixture:
        """It, read as the score, which is all that it can be read as."""
        assert not log, "of the log score there is a process of its own"
        return Mixture(self.on_log.reading(False), self.on_score.reading(False), self.level)

    def predict(self, masks: Masks) -> Floats:
        """The predicted score, (masks,)."""
        return self.reading(False).predict(masks)

    def with_fifths(self, seed: int) -> "Stacked":
        """The same with hyperparameters that each fold of the masks has not seen, if it has none yet."""
        return replace(self, on_log=self.on_log.with_fifths(seed), on_score=self.on_score.with_fifths(seed))

    def without_fifths(self, seed: int) -> Iterator[tuple["Stacked", NDArray[np.bool_]]]:
        """Surrogates that have not seen one fold each, nor found their level on it, and which masks that fold is."""
        levels = _levels(self.on_log.held_out(seed), self.on_score.held_out(seed), self.measured, seed)
        both = zip(self.on_log.without_fifths(seed), self.on_score.without_fifths(seed), levels, strict=True)
        for (on_log, out), (on_score, _), level in both:
            yield Stacked(on_log, on_score, level), out

    def held_out(self, seed: int) -> Floats:
        """The predicted score of each mask by a fit that has not seen it, (masks,)."""
        return together(self.on_log.held_out(seed), self.on_score.held_out(seed), self.measured, seed)

    def on(self, other: Measurements) -> "Stacked":
        """The game on other text, given the losses of the same masks there; hyperparameters and level stay."""
        return replace(self, on_log=self.on_log.on(other), on_score=self.on_score.on(other))


def stack(on_log: Surrogate, on_score: Surrogate, seed: int) -> Stacked:
    """Two processes on the same measurements, with the level that serves best; `seed` is of the folds."""
    on_log, on_score = on_log.with_fifths(seed), on_score.with_fifths(seed)
    return Stacked(on_log, on_score, level_of(on_log.held_out(seed), on_score.held_out(seed), on_log.measured.scores))


def together(
    by_log: Floats, by_score: Floats, measured: Measurements, seed: int, among: NDArray[np.bool_] | None = None
) -> Floats:
    """What both predict of masks that they have not seen, (masks,), with a level that each fold had no say in.

    Args:
        by_log, by_score: the scores that each of them predicts, (masks,).
        measured, seed: what they are held against, and of the folds.
        among: which masks have a say in the level at all, (masks,); None: all.
    """
    levels = _levels(by_log, by_score, measured, seed, among)
    return mixed(by_log, by_score, np.array(levels)[folds_of(measured.masks, seed)])


def level_of(by_log: Floats, by_score: Floats, scores: Floats) -> float:
    """The level at which the mixture of two predictions is nearest to what was measured; all (masks,)."""
    off = [np.square(scores - mixed(by_log, by_score, level)).sum() for level in _LEVELS]
    return float(_LEVELS[np.argmin(off)])


def _levels(
    by_log: Floats, by_score: Floats, measured: Measurements, seed: int, among: NDArray[np.bool_] | None = None
) -> list[float]:
    """The level without each fold."""
    folds, scores = folds_of(measured.masks, seed), measured.scores
    some = [(folds != fold) & (True if among is None else among) for fold in range(FOLDS)]
    return [level_of(by_log[rows], by_score[rows], scores[rows]) for rows in some]
