"""What flows between the parts: a protocol, a game, the specification of a run, and the events that it gives off."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float32]  # mean negative log-likelihood of each sequence, nats a token, (sequences,)

BUNDLED = "bundled"  # the name of the embedded default model
BOS_CHOICES = ("auto", "none", "corpus", "window")


@dataclass(frozen=True)
class Protocol:
    """How a perplexity was measured. Two figures compare only where their protocols are equal."""

    corpus: str  # name of the corpus, or of the file
    split: str  # calibration, evaluation, or whole
    window: int  # text tokens in a window
    stride: int  # tokens from one window's start to the next; equal to `window`: windows never overlap
    bos: str  # none, corpus (one, before the first window), or window (one before each)
    sequences: int  # number of windows
    seed: int | None  # which windows were drawn; None where they are the first ones in order
    tokens: str  # fingerprint of the token ids, BOS included

    @property
    def predicted(self) -> int:
        """Tokens whose loss enters the mean: all of a window but its first; all of the text where each has a BOS."""
        return self.sequences * (self.window if self.bos == "window" else self.window - 1)

    def __str__(self) -> str:
        bos = {"none": "no BOS", "corpus": "one BOS", "window": "a BOS in each"}[self.bos]
        return (
            f"{self.corpus} ({self.split}), {self.sequences} x {self.window} tokens, stride {self.stride}, {bos}, "
            f"tokens {self.tokens}"
        )


@dataclass(frozen=True)
class ModelInfo:
    """The model that was measured."""

    source: str  # what the user named: bundled, a Hub id, or a path
    architecture: str
    layers: int
    parameters: int
    fingerprint: str  # of the weights and the configuration
    dtype: str
    device: str


@dataclass(frozen=True)
class TextSpec:
    """Which windows of which text."""

    corpus: str  # name or path
    split: str  # calibration, evaluation, or whole
    window: int = 128  # text tokens in a window
    sequences: int | None = None  # None takes all that the text gives
    bos: str = "auto"  # auto puts a BOS in front of each window if the tokenizer adds one by itself, and none otherwise
    seed: int | None = None  # draws the windows at random, without repeats; None takes the first ones in order


@dataclass(frozen=True)
class RunSpec:
    """What a user asks for. `None` and "auto" are settled when the model is known."""

    model: str = BUNDLED
    corpus: str = "python-docs"
    sequences: int = 10
    window: int = 128
    masks: int = 300
    strata: tuple[int, ...] | None = None
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    bos: str = "auto"

    def text(self, split: str = "calibration") -> TextSpec:
        """The run's windows of one split."""
        return TextSpec(self.corpus, split, self.window, self.sequences, self.bos, self.seed)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "RunSpec":
        """The specification that `dataclasses.asdict` wrote, also after a trip through JSON."""
        strata = fields.get("strata")
        return cls(**{**fields, "strata": tuple(strata) if strata is not None else None})


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
    precision: Precision | None  # None in float32, while the run goes on, and for large models

    @property
    def overall(self) -> tuple[Contribution, ...]:
        """One contribution for each layer: the mean over the strata."""
        return tuple(item for item in self.contributions if item.stratum is None)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "RunResult":
        """The result that `dataclasses.asdict` wrote, also after a trip through JSON."""
        precision = fields["precision"]
        return cls(
            **{
                **fields,
                "model": ModelInfo(**fields["model"]),
                "protocol": Protocol(**fields["protocol"]),
                "strata": tuple(fields["strata"]),
                "contributions": tuple(Contribution(**item) for item in fields["contributions"]),
                "surrogate": Fit(**fields["surrogate"]),
                "others": tuple(Fit(**item) for item in fields["others"]),
                "precision": Precision(**precision) if precision else None,
            }
        )


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
    protocol: Protocol
    model: ModelInfo

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
class Exported(Event):
    """A pruned model was written, loaded again, and has the losses of the masked one."""

    path: str
    removed: tuple[int, ...]
    perplexity: float
    protocol: Protocol
