"""What players are worth, alone and in pairs, in the form in which it is stored, shown and printed."""

from dataclasses import dataclass

from core.records.fits import Fit

CLOSED_FORMS = ("shapley", "banzhaf", "local")
VALUES = ("stratified", *CLOSED_FORMS, "paper")
INTERACTIONS = ("shapley", "faithful", "banzhaf", "local")
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
class ValueEstimate:
    """The value of one layer, with a 90 % interval for the coalitions that were not measured."""

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
    """The interaction of two layers: positive is synergy, negative redundancy; 90 % for what was not measured."""

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
