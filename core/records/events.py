"""What the engine tells while it works: whoever drives it shows these, or passes them on."""

from dataclasses import dataclass, field, replace

from core.records.behaviour.speeds import Speed
from core.records.behaviour.writes import Behaviour
from core.records.looks import DeviceSeen, ModelSeen, Refusal, TextSeen, Workers
from core.records.mends import Compensation, Healing, Reading
from core.records.plans import Comparison, Scores, Selection
from core.records.results import RunResult
from core.records.spec import ModelInfo, TextProtocol


@dataclass(frozen=True)
class _Event:
    """One thing that happened in the engine. The field `kind` names the class where events cross a process boundary."""

    kind: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self).__name__.lower())


@dataclass(frozen=True)
class Stage(_Event):
    """The engine began something that takes a while and has no count."""

    text: str


@dataclass(frozen=True)
class Downloading(_Event):
    """A model is on its way from the Hub."""

    model: str  # as it was asked for
    done: int  # bytes on this machine, those of earlier attempts among them
    total: int  # bytes
    per_second: float  # bytes since this attempt began

    @property
    def seconds_left(self) -> float:
        """NaN while nothing has come."""
        return (self.total - self.done) / self.per_second if self.per_second > 0 else float("nan")


@dataclass(frozen=True)
class Started(_Event):
    """The run has a name from here on; what is measured is kept."""

    run: str
    total: int


@dataclass(frozen=True)
class Progress(_Event):
    """Coalitions measured so far; the rate leaves out cached ones; seconds left and share are over all of a run."""

    done: int
    total: int
    cached: int
    per_second: float
    seconds_left: float  # NaN before the first evaluation
    best: tuple[tuple[int, float], ...] = ()  # for numbers of players removed, the lowest perplexity so far
    part: str = "coalitions"  # of a run: coalitions, fit, search, precision or surrogates (core.run.remaining)
    nth: tuple[int, int] | None = None  # which of how many parts of a run that is: the second of five is (2, 5)
    share: float | None = None  # of a run's time that is over; None where only coalitions are measured
    within: float | None = None  # the largest relative error of `seconds_left` so far, by what is known now
    workers: Workers | None = None  # where others measure


@dataclass(frozen=True)
class Planned(_Event):
    """A run has its plans, in the store, and goes on."""

    counts: tuple[int, ...]  # of removed players, of which there is one


@dataclass(frozen=True)
class Estimated(_Event):
    """Contributions from the coalitions measured so far."""

    result: RunResult


@dataclass(frozen=True)
class Finished(_Event):
    """The last event of a run that ended by itself."""

    result: RunResult


@dataclass(frozen=True)
class Partial(_Event):
    """One perplexity, estimated from the sequences measured so far, with a 90 % interval; at the end it is exact."""

    done: int
    total: int
    perplexity: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured(_Event):
    """The measured perplexity of one coalition."""

    removed: tuple[int, ...]
    perplexity: float
    mean_nll: float  # nats a token
    kl: float | None  # from the whole model's predictions, nats a token, if it was asked for
    protocol: TextProtocol
    model: ModelInfo
    parameters: int  # of the model that is left
    compensation: Compensation | None = None  # if it was asked for
    compensated: float | None = None  # perplexity after it


@dataclass(frozen=True)
class Writing(_Event):
    """What the whole model and the pruned one have written so far after a prompt, each `done` of `total` tokens."""

    whole: str
    pruned: str
    done: int
    total: int


@dataclass(frozen=True)
class Written(Writing):
    """The last event of two continuations."""


@dataclass(frozen=True)
class Timed(_Event):
    """How fast the whole model and a smaller one write, measured in turn."""

    speed: Speed
    model: ModelInfo  # the whole one
    removed: tuple[int, ...]  # empty where a folder's model was timed


@dataclass(frozen=True)
class Behaved(_Event):
    """What a pruned model writes, and where it agrees with the whole one."""

    found: Behaviour


@dataclass(frozen=True)
class Answered(_Event):
    """The last event of what coalitions were asked, or of four bits; the store, or the folder, has what came of it."""


@dataclass(frozen=True)
class Searching(_Event):
    """This share of a search, of a training, or of what a model is asked to write, is done."""

    share: float


@dataclass(frozen=True)
class Training(Searching):
    """Where a training is, after a step."""

    total: int  # steps
    first: int  # steps before those of `losses`
    losses: tuple[float, ...]  # of training, nats a token: of each step since the last such event
    readings: tuple[Reading, ...]  # all so far
    seconds_left: float  # of training; NaN before a step was made

    def after(self, before: "Training | None") -> "Training":
        """The same with the losses of all its steps, where `before` has those of the first ones."""
        losses = (*(before.losses[: self.first] if before else ()), *self.losses)
        return replace(self, first=0, losses=losses)


@dataclass(frozen=True)
class Selected(_Event):
    """The last event of a search."""

    selection: Selection


@dataclass(frozen=True)
class Compared(_Event):
    """The last event of a comparison of methods."""

    comparison: Comparison


@dataclass(frozen=True)
class Scored(_Event):
    """The last event of scoring players by the literature's criteria; the store has the scores."""

    scores: Scores


@dataclass(frozen=True)
class Exported(_Event):
    """A pruned model was written, loaded again, and has the losses of the masked one."""

    path: str
    removed: tuple[int, ...]
    perplexity: float
    protocol: TextProtocol
    players: tuple[str, ...]  # whose places `removed` are
    deleted: int  # parameters that are not in the files any more
    zeroed: int  # parameters that are there, and zero: the output projections of halves of blocks
    whole: float  # median seconds of a forward of one window, the whole model's and the exported one's
    pruned: float
    plain: float  # the perplexity without compensation and training; the same where there is none
    compensation: Compensation | None = None
    healing: Healing | None = None
    gguf: str = ""  # the path of the file that was written beside, if that was asked for


@dataclass(frozen=True)
class Looked(_Event):
    """What a request's model, text and device are; None for what is not on this machine yet."""

    model: ModelSeen | Refusal | None
    text: TextSeen | Refusal | None
    device: DeviceSeen | Refusal


@dataclass(frozen=True)
class Failed(_Event):
    """The last event of what has failed, in words, with the next step."""

    message: str
    hint: str


@dataclass(frozen=True)
class Cancelled(_Event):
    """The last event of what somebody has ended; all that was measured is kept."""


# Every event there is: who takes them in by a match over these is told by mypy of one that was forgotten.
# fmt: off
Event = (
    Stage | Downloading | Started | Progress | Planned | Estimated | Finished | Partial | Measured | Writing | Written
    | Timed | Behaved | Answered | Searching | Training | Selected | Compared | Scored | Exported | Looked | Failed
    | Cancelled
)
