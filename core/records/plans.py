"""What searches, methods and criteria say of what to remove, in the form in which it is stored, shown and printed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasChoices, Field

from core.records.mends import CompensatedPlan
from core.records.spec import ModelInfo, TextProtocol

OURS = "quorum"


@dataclass(frozen=True)
class Method:
    """One way to choose what to remove; how a rival goes about it is in `baselines.table`."""

    name: str
    by_divergence: bool = False  # it asks for KL from the whole model, too
    by_weights: bool = False  # it needs plain weights in memory
    between_blocks: bool = False  # it needs hidden states before and after players, which half of a block has not
    mends: bool = False  # a compensation of its own is part of it
    runtime: bool = False  # it leaves a matrix for which a plain model has no place, so that nothing can export it
    usual: bool = False  # worth its time for everybody: compared where nobody says which


METHODS = {
    method.name: method
    for method in (
        Method(OURS, by_divergence=True, usual=True),
        Method("random"),
        Method("magnitude", by_weights=True),
        Method("shortgpt", between_blocks=True, usual=True),
        Method("window", between_blocks=True),
        Method("one-shot", usual=True),
        Method("taylor", by_weights=True),
        Method("taylor+", by_weights=True, usual=True),
        Method("paper"),
        Method("sleb", usual=True),
        Method("evopress", by_divergence=True),
        Method("cbo", between_blocks=True),
        Method("lorp", between_blocks=True),
        Method("prune-comp", between_blocks=True, mends=True),
        Method("replaceme", between_blocks=True, mends=True),
        Method("linearpatch", between_blocks=True, mends=True, runtime=True),
    )
}
USUAL_METHODS = tuple(method.name for method in METHODS.values() if method.usual)


def methods_for(kind: str, methods: Iterable[str] = METHODS) -> tuple[str, ...]:
    """Those of the methods that have a meaning for players of a kind."""
    return tuple(name for name in methods if kind != "sublayer" or not METHODS[name].between_blocks)


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
    protocol: TextProtocol
    dense_perplexity: float
    protected: tuple[int, ...]
    plans: tuple[Plan, ...]  # each the best of its count
    nested: tuple[Plan, ...]  # each holds the one before, for progressive removal
    coalitions: int  # that were measured for it, on some of the sequences or on all
    units: float  # compute that was asked for, and `spent`: SLEB's path to two fifths of the layers is 1
    spent: float  # with each shared prefix computed once, as a budget is spent
    plain: float | None = None  # the same by forwards that share nothing; None of searches of earlier releases
    earlier: int = 0  # removals measured on other texts, with which it began

    @property
    def compute(self) -> str:
        """What was computed, both ways, in words, and what it began with."""
        alone = "" if self.plain is None else f" ({self.plain:.2f} by forwards that share nothing)"
        begun = f", begun with {self.earlier} removals measured on other texts" if self.earlier else ""
        return f"{self.spent:.2f} units with shared prefixes{alone}{begun}"


@dataclass(frozen=True)
class MethodResult:
    """What one method chose, and what that took.

    Compute is given both ways for every method, in units of what SLEB takes, by plain forwards, to remove two fifths of
    the players. Earlier releases called the two `units` and `spent`.
    """

    method: str
    plans: tuple[Plan, ...]  # measured on the text that judges
    coalitions: int
    tokens: int
    plain: Annotated[float, Field(validation_alias=AliasChoices("plain", "units"))]  # by forwards that share nothing
    shared: Annotated[float, Field(validation_alias=AliasChoices("shared", "spent"))]  # each shared prefix once
    compensated: tuple[CompensatedPlan, ...] = ()  # the same choices after the comparison's compensation, if it has one

    @property
    def exportable(self) -> bool:
        """Whether a plain model could have what it leaves; `export` knows no compensation that is part of a method."""
        method = METHODS.get(self.method)
        return method is None or not method.runtime

    @property
    def mends(self) -> bool:
        """Whether `plans` are with a compensation that is part of the method."""
        method = METHODS.get(self.method)
        return method is not None and method.mends


@dataclass(frozen=True)
class Comparison:
    """Methods that chose on one text, judged on another."""

    model: ModelInfo
    calibration: TextProtocol
    evaluation: TextProtocol
    dense_perplexity: float  # on the evaluation text
    methods: tuple[MethodResult, ...]
    compensation: str = "none"  # or scale, refit or logits: what every method's choice is shown after, too
    fitted: TextProtocol | None = None  # the sequences of all fits, also of those that are part of a method


@dataclass(frozen=True)
class Scores:
    """A score of every player by every criterion; the least go first. Each is in a unit of its own (`criteria`)."""

    protocol: TextProtocol
    by_method: dict[str, tuple[float, ...]]  # the criterion's name -> a score for each player
