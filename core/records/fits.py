"""What a surrogate predicts, how well it does, and what it has learnt, in the form in which it is stored and shown."""

import math
from dataclasses import dataclass

_LARGEST = 700.0  # whose exponential is still a number


@dataclass(frozen=True)
class Fit:
    """How well a surrogate predicts a worth of masks that it has not seen (five-fold cross-validation).

    The worth is the score where nothing else is said: the fits of a run side by side are of the score.
    """

    name: str  # of the kind of surrogate
    r2: float
    spearman: float
    mae: float
    masks: int  # masks that it was tested on


@dataclass(frozen=True)
class Band:
    """How wide a 90 % predictive interval is for coalitions of some sizes: conformal, from masks not seen in a fit."""

    fewest: int  # kept layers
    most: int
    half: float  # of the log score, either way
    coverage: float  # share of held-out masks inside an interval that the other half of them was not used to set
    masks: int  # of this size, and of those next to it where they share a quantile

    @property
    def sizes(self) -> str:
        """The numbers of kept layers, in words."""
        return f"{self.fewest} to {self.most}" if self.fewest < self.most else str(self.most)

    @property
    def factor(self) -> float:
        """What a predicted perplexity may be multiplied or divided by; infinite where masks are too few to tell."""
        return math.exp(self.half) if self.half < _LARGEST else math.inf


@dataclass(frozen=True)
class ValueShare:
    """One removed layer's part in a prediction."""

    layer: int
    value: float


@dataclass(frozen=True)
class Prediction:
    """What the surrogate says of one coalition, with a 90 % predictive interval, and why.

    `shares` decompose the predicted log score, nats a token, into the removed layers (Shapley values of this
    prediction): they sum up to it.
    """

    removed: tuple[int, ...]
    perplexity: float
    low: float
    high: float
    extrapolated: bool  # far from every coalition that was measured
    shares: tuple[ValueShare, ...]
    band: Band
    # Of a set that is predicted better than nearly all of its size: what was taken off its log score, nats a token,
    # since the best of many predictions is too good. `shares` are those of the prediction before.
    optimism: float = 0.0


@dataclass(frozen=True)
class Learnt:
    """Hyperparameters of a surrogate, so that nobody learns them again: `gaussian_process.Kernel` as numbers."""

    log: bool  # of the surrogate of the log score, or of the score
    kernel: tuple[float, ...]  # the decay of each player, the variance, the noise
    fifths: tuple[tuple[float, ...], ...] = ()  # the same without each fold of the masks; () of earlier releases
    quality: Fit | None = None  # on its own worth, the score or its logarithm; None of earlier releases
