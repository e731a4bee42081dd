"""What a model and a text are, seen before anything is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be used, and what to do."""

    message: str
    hint: str


@dataclass(frozen=True)
class ModelSeen:
    """A model by its configuration and the headers of its files."""

    family: str  # as its configuration or its GGUF file names it
    layers: int | None
    parameters: int
    size: int  # bytes of its weights on the disk
    positions: int | None = None  # tokens that it can take at once, where they are numbered


@dataclass(frozen=True)
class TextSeen:
    """The text that a run calibrates on."""

    characters: int  # of a text that is split in halves, of both
    tokens: int | None  # of calibration alone; None where the model's tokenizer is not on this machine yet
    ended: bool  # False: there is more than was counted
    bos: str = "none"  # as of `TextProtocol`


@dataclass(frozen=True)
class DeviceSeen:
    """What a request would be computed on."""

    device: str  # as of a ModelInfo
    dtype: str  # that "auto" takes there
    room: int  # bytes of its memory, all of it: what is free changes while something computes


@dataclass(frozen=True)
class Workers:
    """The replicas of a model that measure for a run."""

    coalitions: tuple[int, ...]  # measured by each that has the model
    starting: int
    lost: int  # so far; others have taken their place
