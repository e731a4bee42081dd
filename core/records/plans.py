"""What searches, methods and criteria say of what to remove, in the form in which it is stored, shown and printed."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.records.spec import ModelInfo, Protocol

OURS = "quorum"
METHODS = (
    *(OURS, "random", "magnitude", "shortgpt", "window", "one-shot", "taylor", "taylor+", "paper", "sleb"),
    "evopress",
)
# These compare the hidden states before and after players, which half of a block has not.
BETWEEN_BLOCKS = ("shortgpt", "window")


def methods_for(kind: str, methods: Iterable[str] = METHODS) -> tuple[str, ...]:
    """Those of the methods that have a meaning for players of a kind."""
    return tuple(name for name in methods if kind != "sublayer" or name not in BETWEEN_BLOCKS)


@dataclass(frozen=True)
class Plan:
    """Which layers to remove, and the perplexity that was measured without them.

    `low` and `high` are a 90 % interval of the perplexity on other text of this kind; most of its width is that texts
    differ. `ratio` is the perplexity over the whole model's, whose interval comes from paired differences. A search has
    chosen the plan on these very sequences among others, so that both are a little too good.
    """

    count: int
    removed: tuple[int, ...]
    parameters: int  # of the model that is left
    perplexity: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    source: str = "measured"


@dataclass(frozen=True)
class Selection:
    """The best plans found, one for each number of removed layers; all on the same sequences."""

    model: ModelInfo
    protocol: Protocol
    dense_perplexity: float
    protected: tuple[int, ...]
    plans: tuple[Plan, ...]  # each the best of its count
    nested: tuple[Plan, ...]  # each holds the one before, for progressive removal
    coalitions: int  # that were measured for it, on some of the sequences or on all
    units: float  # compute that was asked for, and `spent`: SLEB's path to two fifths of the layers is 1
    spent: float


@dataclass(frozen=True)
class MethodResult:
    """What one method chose, and what that took."""

    method: str
    plans: tuple[Plan, ...]  # measured on the text that judges
    coalitions: int
    tokens: int
    units: float  # compute as published, by forwards that share nothing
    spent: float  # compute here, where prefixes are shared


@dataclass(frozen=True)
class Comparison:
    """Methods that chose on one text, judged on another."""

    model: ModelInfo
    calibration: Protocol
    evaluation: Protocol
    dense_perplexity: float  # on the evaluation text
    methods: tuple[MethodResult, ...]


@dataclass(frozen=True)
class Scores:
    """A score of every player by every criterion; the least go first. Each is in a unit of its own (`criteria`)."""

    protocol: Protocol
    by_method: dict[str, tuple[float, ...]]  # the criterion's name -> a score for each player
