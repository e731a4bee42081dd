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
    """The score by two processes: `share` of what that on the log score says, the rest by that on the score."""

    on_log: ScoreOf
    on_score: ScoreOf
    share: float

    @property
    def parts(self) -> tuple[tuple[float, ScoreOf], ...]:
        """Each with its share."""
        return (self.share, self.on_log), (1 - self.share, self.on_score)

    def predict(self, masks: Masks) -> Floats:
        """The predicted score, (masks,)."""
        return np.asarray(sum(share * part.predict(masks) for share, part in self.parts))


Reading = ScoreOf | LogScoreOf | Mixture
