"""What a search or a comparison of methods finds, in the form in which it is stored, shown and printed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.records.spec import ModelInfo, Protocol

OURS = "quorum"
METHODS = (
    *(OURS, "random", "magnitude", "shortgpt", "window", "one-shot", "taylor", "taylor+", "paper", "sleb"),
    "evopress",
)
# Those that are worth their time for everybody.
COMPARED = (OURS, "shortgpt", "one-shot", "taylor+", "sleb")
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


def _plans(rows: Iterable[dict[str, Any]]) -> tuple[Plan, ...]:
    return tuple(Plan(**{**row, "removed": tuple(row["removed"])}) for row in rows)


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

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Selection":
        """The selection that `dataclasses.asdict` wrote, also after a trip through JSON."""
        plans, nested = _plans(fields["plans"]), _plans(fields["nested"])
        model, protocol = ModelInfo(**fields["model"]), Protocol(**fields["protocol"])
        protected = tuple(fields["protected"])
        return cls(
            **{**fields, "model": model, "protocol": protocol, "protected": protected, "plans": plans, "nested": nested}
        )


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

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Comparison":
        """The comparison that `dataclasses.asdict` wrote, also after a trip through JSON."""
        return cls(
            ModelInfo(**fields["model"]),
            Protocol(**fields["calibration"]),
            Protocol(**fields["evaluation"]),
            fields["dense_perplexity"],
            tuple(MethodResult(**{**found, "plans": _plans(found["plans"])}) for found in fields["methods"]),
        )
