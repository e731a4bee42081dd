"""What is asked for, of which model, on which text: the protocol of a measurement and the specification of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.coalitions.players import dropped, gone

Losses = NDArray[np.float32]  # mean negative log-likelihood of each sequence, nats a token, (sequences,)

BUNDLED = "bundled"  # the name of the embedded default model
BUNDLED_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"  # where others find it
OFFLOAD = "offload"  # the device whose weights lie on GPUs, in memory, or on the disk, wherever there is room
MOST_LAYERS = 100_000  # more than any model has; each is given a name
SAMPLERS = ("stratified", "adaptive", "shapley", "exhaustive")
BOS_CHOICES = ("auto", "none", "corpus", "window")


@dataclass(frozen=True)
class TextProtocol:
    """How a perplexity was measured. Two figures compare only where their protocols are equal."""

    corpus: str  # name of the corpus, or of the file
    split: str  # calibration, evaluation, or whole
    window: int  # text tokens in a window
    stride: int  # tokens from one window's start to the next; equal to `window`: windows never overlap
    bos: str  # none, corpus (one, before the first window), or window (one before each)
    sequences: int  # number of windows
    seed: int | None  # which windows were drawn; None where they are the first ones in order
    tokens: str  # fingerprint of the token ids, BOS included
    field: str = ""  # what held the text in each row; empty: `text`, or what a named corpus has
    preset: str = ""  # the protocol of the literature that was asked for; empty: none

    @property
    def predicted(self) -> int:
        """Tokens whose loss enters the mean: all of a window but its first; all of the text where each has a BOS."""
        return self.sequences * (self.window if self.bos == "window" else self.window - 1)

    def __str__(self) -> str:
        bos = {"none": "no BOS", "corpus": "one BOS", "window": "a BOS in each"}[self.bos]
        field = f", field {self.field}" if self.field else ""
        preset = f"protocol {self.preset}, " if self.preset else ""
        return (
            f"{self.corpus} ({self.split}{field}), {preset}{self.sequences} x {self.window} tokens, "
            f"stride {self.stride}, {bos}, tokens {self.tokens}"
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
    # Who plays, by name, in the order of the model; masks are over these. "3" is a block, "3a" and "3m" are its
    # attention (or another mixer) and its MLP, "8-11" is a group of blocks. Protected ones are not among them.
    players: tuple[str, ...] = ()
    quantisation: str = ""  # how the weights are packed in memory, such as "bitsandbytes 4-bit"; empty if they are not
    commit: str = ""  # of the Hub repository that `source` names; empty elsewhere
    # Layers of attention of which a hybrid needs one to generate with a cache (core.model.cached_attention); empty of
    # other models, and in records of earlier releases.
    attention: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.layers > MOST_LAYERS:
            raise ValueError(f"{self.layers} layers")
        object.__setattr__(self, "players", tuple(self.players or map(str, range(self.layers))))
        object.__setattr__(self, "attention", tuple(self.attention))

    def parameters_without(self, removed: Sequence[int], each: Sequence[int]) -> int:
        """Parameters of the model that is left without some players; a half alone leaves zeros behind.

        Args:
            removed: places of players.
            each: the parameters of each player.
        """
        return self.parameters - sum(each[player] for player in gone(self.players, self.layers, removed))

    def is_uncached_without(self, removed: Sequence[int]) -> bool:
        """Whether a hybrid loses its last layer of attention with some players, and with it the use of a cache."""
        return bool(self.attention) and {*self.attention} <= {*dropped(self.players, self.layers, removed)[0]}


@dataclass(frozen=True)
class TextSpec:
    """Which windows of which text."""

    corpus: str  # name or path
    split: str  # calibration, evaluation, or whole
    window: int = 128  # text tokens in a window
    sequences: int | None = None  # None takes all that the text gives
    bos: str = "auto"  # auto puts a BOS in front of each window if the tokenizer adds one by itself, and none otherwise
    seed: int | None = None  # draws the windows at random, without repeats; None takes the first ones in order
    field: str = ""  # what holds the text in each row; empty takes `text`, or what a named corpus has
    preset: str = ""  # a protocol of the literature (core.records.presets), which says how the text is joined and begun


@dataclass(frozen=True)
class RunSpec:
    """What a user asks for. `None` and "auto" are settled when the model is known."""

    model: str = BUNDLED
    corpus: str = "python-docs"
    sequences: int = 10
    window: int = 128
    sampler: str = "stratified"  # the paper's; or adaptive, shapley or exhaustive (core.sampling.samplers)
    masks: int = 300
    strata: tuple[int, ...] | None = None
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    bos: str = "auto"
    players: str = "block"  # or sublayer, or group:N (core.coalitions.players)
    protect: tuple[int, ...] = ()  # layers that always stay
    field: str = ""  # what holds the text in each row; empty takes `text`, or what a named corpus has
    preset: str = ""  # a protocol of the literature (core.records.presets)

    def __post_init__(self) -> None:
        object.__setattr__(self, "protect", tuple(sorted(set(self.protect))))  # the same game in any order

    def text(self, split: str = "calibration") -> TextSpec:
        """The run's windows of one split."""
        return TextSpec(self.corpus, split, self.window, self.sequences, self.bos, self.seed, self.field, self.preset)
