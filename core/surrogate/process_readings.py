"""How fitted processes are read: as the score of a coalition, or as its logarithm."""

from dataclasses import dataclass

import numpy as np

from core.coalitions.masks import Masks
from core.coalitions.measurements import RUINED, Floats
from core.surrogate.gaussian_process import GaussianProcess


@dataclass(frozen=True)
class ScoreOf:
    """A process on the score, or on its logarithm, read as a score."""

    process: GaussianProcess
    log: bool

    def predict(self, masks: Masks) -> Floats:
        """The predicted score, (masks,)."""
        found = self.process.predict(masks)
        return np.exp(found) if self.log else found

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        """The predicted score of masks (q, n), (q,), and of each with one layer flipped, (q, n)."""
        whole, flipped = self.process.with_flips(masks)
        return (np.exp(whole), np.exp(flipped)) if self.log else (whole, flipped)


@dataclass(frozen=True)
class LogScoreOf:
    """A process on the log score, read as one: a ruined model's is bounded below, and so is what is predicted."""

    process: GaussianProcess

    def predict(self, masks: Masks) -> Floats:
        """The predicted log score, (masks,)."""
        return np.maximum(self.process.predict(masks), np.log(RUINED))


@dataclass(frozen=True)
class Floor:
    """What the bound adds to a process on the log score: a game by itself, zero where nothing is ruined."""

    process: GaussianProcess

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        """What it adds to masks (q, n), (q,), and to each with one layer flipped, (q, n)."""
        whole, flipped = self.process.with_flips(masks)
        return np.maximum(np.log(RUINED) - whole, 0), np.maximum(np.log(RUINED) - flipped, 0)


@dataclass(frozen=True)
class Mixture:
    """The score by two processes: the one on the score is believed the more, the larger the score is.

    Where the one on the log score says s, that on the score has a share of s / (s + level).
    """

    on_log: ScoreOf
    on_score: ScoreOf
    level: float

    def predict(self, masks: Masks) -> Floats:
        """The predicted score, (masks,)."""
        return mixed(self.on_log.predict(masks), self.on_score.predict(masks), self.level)

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        """The predicted score of masks (q, n), (q,), and of each with one layer flipped, (q, n)."""
        by_log, by_score = self.on_log.with_flips(masks), self.on_score.with_flips(masks)
        whole, flipped = (mixed(*both, self.level) for both in zip(by_log, by_score, strict=True))
        return whole, flipped


def mixed(by_log: Floats, by_score: Floats, level: float | Floats) -> Floats:
    """The mixture of positive scores by a process on their logarithm with those by one on the score itself."""
    return np.asarray(by_log + by_log / (by_log + level) * (by_score - by_log))


Reading = ScoreOf | LogScoreOf | Mixture
