"""What was done to a model after layers were removed, on which text, and what each step of it gave."""

from dataclasses import dataclass

from core.records.spec import TextProtocol

COMPENSATIONS = ("none", "scale", "refit")


@dataclass(frozen=True)
class Compensate:
    """What is asked for."""

    how: str  # scale or refit
    windows: int | None = None  # calibration windows to fit on; None takes as many as 12,288 tokens give


@dataclass(frozen=True)
class Mend:
    """One cut, a run of removed layers, and the fit for it."""

    first: int  # removed layers, from this one
    last: int  # to this one
    # refit: the ridge, of the mean of the Gram matrix's diagonal; scale: the scalar; 0 where nothing could be fitted.
    strength: float
    before: float  # mean loss without the fit on sequences that it has not seen, nats a token
    after: float  # with it
    accepted: bool


@dataclass(frozen=True)
class Compensation:
    """The fits of all cuts, in their order."""

    how: str  # scale or refit
    fitted: TextProtocol  # the sequences of the fits
    held: int  # so many of them, the last ones, decide whether a fit is accepted
    cuts: tuple[Mend, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(self.cuts))

    @property
    def accepted(self) -> int:
        """The number of accepted fits."""
        return sum(cut.accepted for cut in self.cuts)
