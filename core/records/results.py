"""What a run finds, in the form in which it is stored, shown and printed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.coalitions.players import gone
from core.records.spec import ModelInfo, Protocol

CLOSED_FORMS = ("shapley", "banzhaf", "local")
VALUES = ("stratified", *CLOSED_FORMS, "paper")
INTERACTIONS = ("shapley", "faithful", "banzhaf", "local")
# PPL_dense / PPL; its logarithm, the negative rise of the mean NLL; and the negative KL from the whole model. The two
# in nats are bounded below at ln 1e-5: what is worse is ruined, and no game is ruled by how much.
WORTHS = ("score", "log_score", "kl")


_LARGEST = 700.0  # whose exponential is still a number
Z90 = 1.6449  # a 90 % interval is so many standard deviations wide either way


@dataclass(frozen=True)
class Contribution:
    """One layer's stratified contribution, in units of the score PPL_dense / PPL.

    `low` and `high` are a 90 % interval for the doubt that comes from measuring some masks only. `calibration` is half
    the width of a 90 % interval for the doubt that comes from measuring on this text; it comes on top.
    `stratum` is the number of kept layers that it was averaged over; None is the mean of all, the paper's number.
    """

    layer: int
    value: float
    low: float
    high: float
    calibration: float
    stratum: int | None = None


@dataclass(frozen=True)
class Fit:
    """How well a surrogate predicts the score of masks that it has not seen (five-fold cross-validation)."""

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
    masks: int

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


@dataclass(frozen=True)
class ValueEstimate:
    """The value of one layer, with a 90 % interval of the surrogate's posterior."""

    layer: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LayerValues:
    """One kind of value of every layer, in units of the worth."""

    kind: str
    worth: str
    values: tuple[ValueEstimate, ...]
    surrogate: Fit | None  # None: by enumeration of all coalitions, exact
    extrapolated: float  # share that rests on coalitions smaller than any that was measured


@dataclass(frozen=True)
class PairInteraction:
    """The interaction of two layers: positive is synergy, negative is redundancy; 90 % interval of the posterior."""

    first: int
    second: int
    value: float
    low: float
    high: float

    @property
    def meaning(self) -> str:
        """In a word; an interval that holds zero says neither."""
        return "synergy" if self.low > 0 else "redundancy" if self.high < 0 else "undecided"


@dataclass(frozen=True)
class PairInteractions:
    """The interactions of all pairs, the strongest first."""

    kind: str
    worth: str
    pairs: tuple[PairInteraction, ...]
    surrogate: Fit | None  # None: by enumeration of all coalitions, exact
    extrapolated: float


@dataclass(frozen=True)
class Precision:
    """How far losses in 16 bits are from float32's, on the same coalitions and sequences."""

    dtype: str
    mean_absolute_nll: float  # nats a token, over masks and sequences
    spearman: float  # of the masks' mean losses
    masks: int
    sequences: int

    def __str__(self) -> str:
        return (
            f"{self.dtype} against float32, measured on {self.masks} coalitions x {self.sequences} sequences: mean "
            f"absolute difference {self.mean_absolute_nll:.4f} nats a token, rank correlation {self.spearman:.4f}"
        )


@dataclass(frozen=True)
class Stability:
    """How settled a ranking is."""

    spearman: float  # expected rank correlation with the ranking from other coalitions
    settled: float  # from which it counts as settled
    more: int | None  # evaluations until then, extrapolated; 0: settled, None: far more than were measured

    def __str__(self) -> str:
        so_far = f"A run on other coalitions would rank the layers alike to a rank correlation of {self.spearman:.2f}"
        if self.more == 0:
            return f"{so_far}: the ranking has settled (from {self.settled:.2f})"
        more = f"about {self.more} more coalitions (extrapolated)" if self.more else "far more coalitions"
        return f"{so_far}; {self.settled:.2f}, where it counts as settled, takes {more}"


@dataclass(frozen=True)
class Learnt:
    """Hyperparameters of a surrogate, so that nobody learns them again: `gaussian_process.Kernel` as numbers."""

    log: bool  # of the surrogate of the log score, or of the score
    kernel: tuple[float, ...]  # the decay of each player, the variance, the noise
    halves: tuple[tuple[float, ...], ...]  # the same from random halves of the masks


@dataclass(frozen=True)
class RunResult:
    """What a run found, complete or so far."""

    run: str
    model: ModelInfo
    protocol: Protocol
    strata: tuple[int, ...]
    masks: int  # masks asked for; those measured so far are `surrogate.masks` + `not_finite`
    dense_perplexity: float
    contributions: tuple[Contribution, ...]  # the mean over strata, layer by layer, then each stratum
    surrogate: Fit  # the one that the contributions come from
    others: tuple[Fit, ...]  # kinds that it was compared with; none while the run goes on
    not_finite: int  # masks left out of every fit because their loss is not a number
    measured: int  # evaluations made by this start of the run, the dense model's included
    cached: int  # evaluations found in the cache
    seconds: float
    precision: Precision | None = None  # None in float32, while the run goes on, and for large models
    interactions: PairInteractions | None = None  # local, on the log score; None while the run goes on
    bands: tuple[Band, ...] = ()  # of predictive intervals, the largest coalitions first; none while the run goes on
    layer_parameters: tuple[int, ...] = ()  # of each player; () in results of earlier releases
    learnt: tuple[Learnt, ...] = ()  # of both surrogates; () while the run goes on, and of earlier releases

    def parameters_without(self, removed: Sequence[int]) -> int | None:
        """Parameters of the model that is left without some players, if the result knows them."""
        if not self.layer_parameters:
            return None
        lost = gone(self.model.players, self.model.layers, removed)
        return self.model.parameters - sum(self.layer_parameters[player] for player in lost)

    @property
    def overall(self) -> tuple[Contribution, ...]:
        """One contribution for each layer: the mean over the strata."""
        return tuple(item for item in self.contributions if item.stratum is None)
