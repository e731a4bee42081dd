"""What the engine tells while it works: whoever drives it shows these, or passes them on."""

from dataclasses import dataclass, field
from typing import Any

from core.records.plans import Comparison, Selection
from core.records.results import RunResult
from core.records.scores import Scores
from core.records.spec import ModelInfo, Protocol


@dataclass(frozen=True)
class Event:
    """One thing that happened in the engine. The field `kind` names the class where events cross a process boundary."""

    kind: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self).__name__.lower())


@dataclass(frozen=True)
class Stage(Event):
    """The engine began something that takes a while and has no count."""

    text: str


@dataclass(frozen=True)
class Started(Event):
    """The run has a name from here on; what is measured is kept."""

    run: str
    total: int


@dataclass(frozen=True)
class Progress(Event):
    """Coalitions of a run measured so far; the rate leaves out what was cached."""

    done: int
    total: int
    cached: int
    per_second: float
    seconds_left: float  # NaN before the first evaluation
    best: tuple[tuple[int, float], ...] = ()  # for numbers of players removed, the lowest perplexity so far


@dataclass(frozen=True)
class Estimated(Event):
    """Contributions from the coalitions measured so far."""

    result: RunResult


@dataclass(frozen=True)
class Finished(Event):
    """The last event of a run that ended by itself."""

    result: RunResult


@dataclass(frozen=True)
class Partial(Event):
    """One perplexity, estimated from the sequences measured so far, with a 90 % interval; at the end it is exact."""

    done: int
    total: int
    perplexity: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured(Event):
    """The measured perplexity of one coalition."""

    removed: tuple[int, ...]
    perplexity: float
    mean_nll: float  # nats a token
    kl: float | None  # from the whole model's predictions, nats a token, if it was asked for
    protocol: Protocol
    model: ModelInfo
    parameters: int  # of the model that is left

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Measured":
        """The event that `dataclasses.asdict` wrote (without its kind), also after a trip through JSON."""
        return cls(
            **{
                **fields,
                "removed": tuple(fields["removed"]),
                "protocol": Protocol(**fields["protocol"]),
                "model": ModelInfo(**fields["model"]),
            }
        )


@dataclass(frozen=True)
class Writing(Event):
    """What the whole model and the pruned one have written so far after a prompt, each `done` of `total` tokens."""

    whole: str
    pruned: str
    done: int
    total: int


@dataclass(frozen=True)
class Written(Writing):
    """The last event of two continuations."""


@dataclass(frozen=True)
class Timed(Event):
    """Median seconds of a forward through the whole model and the pruned one, measured in turn."""

    whole: float
    pruned: float
    tokens: int
    repeats: int


@dataclass(frozen=True)
class Searching(Event):
    """A search has spent this share of its budget."""

    share: float


@dataclass(frozen=True)
class Selected(Event):
    """The last event of a search."""

    selection: Selection


@dataclass(frozen=True)
class Compared(Event):
    """The last event of a comparison of methods."""

    comparison: Comparison


@dataclass(frozen=True)
class Scored(Event):
    """The last event of scoring players by the literature's criteria; the store has the scores."""

    scores: Scores


@dataclass(frozen=True)
class Exported(Event):
    """A pruned model was written, loaded again, and has the losses of the masked one."""

    path: str
    removed: tuple[int, ...]
    perplexity: float
    protocol: Protocol
    players: tuple[str, ...]  # whose places `removed` are
    deleted: int  # parameters that are not in the files any more
    zeroed: int  # parameters that are there, and zero: the output projections of halves of blocks
    whole: float  # median seconds of a forward of one window, the whole model's and the exported one's
    pruned: float
