"""What is known of removals whose cuts were mended, so that no fit is made and no text is read twice."""

from dataclasses import dataclass

from core.records.mends import Mend
from core.records.spec import TextProtocol


@dataclass(frozen=True)
class MendedLosses:
    """A removal after a compensation, on sequences that no fit has seen."""

    how: str  # scale, refit or logits, or the method that compensates in its own way
    fitted: TextProtocol  # the sequences of the fits
    held: int  # so many of them, the last ones, decide whether a fit is accepted; 0: as published, all are
    protocol: TextProtocol  # the sequences that judge
    losses: tuple[float, ...]  # of these, nats a token
    cuts: tuple[Mend, ...] = ()  # of scale and refit

    def __post_init__(self) -> None:
        object.__setattr__(self, "losses", tuple(self.losses))
        object.__setattr__(self, "cuts", tuple(self.cuts))

    @property
    def measured_by(self) -> str:
        """How it was measured, in words."""
        return mended_by(self.how, self.fitted, self.held, self.protocol)


def mended_by(how: str, fitted: TextProtocol, held: int, protocol: TextProtocol) -> str:
    """How losses after a compensation are measured, in words: equal of equal ones."""
    return f"{how}, fitted on {fitted}, the last {held} deciding; judged on {protocol}"


@dataclass(frozen=True)
class ScaledPath:
    """Which players a method that removes and mends by turns has removed so far, of the whole model."""

    how: str  # the method
    chosen: TextProtocol  # the sequences that it chooses on
    fitted: TextProtocol  # those of its fits
    players: tuple[int, ...]  # in the order in which they went
    scales: tuple[float, ...]  # of each

    def __post_init__(self) -> None:
        object.__setattr__(self, "players", tuple(self.players))
        object.__setattr__(self, "scales", tuple(self.scales))

    @property
    def measured_by(self) -> str:
        """How it was found, in words; a longer one replaces what was known."""
        return path_by(self.how, self.chosen, self.fitted)


def path_by(how: str, chosen: TextProtocol, fitted: TextProtocol) -> str:
    """How a path is found, in words: equal of equal ones."""
    return f"{how}, chosen on {chosen}, fitted on {fitted}"
