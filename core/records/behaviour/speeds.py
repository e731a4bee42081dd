"""How fast two models write, beside each other."""

from dataclasses import dataclass

from core.errors import SelectionError


@dataclass(frozen=True)
class SpeedProtocol:
    """How writing is timed: as in the paper, unless something else is asked for."""

    prompt: int = 10  # tokens, drawn at random
    tokens: int = 128  # new ones, each the likeliest; nothing ends a text earlier
    runs: int = 30  # of each model, in turn
    warm_up: int = 10  # of them, which do not count
    batches: tuple[int, ...] = (1,)  # texts at a time

    def check(self) -> None:
        """SelectionError for what is wrong whatever the model."""
        if self.prompt < 1 or self.tokens < 2:
            raise SelectionError(
                f"A prompt of {self.prompt} tokens and {self.tokens} new ones give no speed.",
                "Use a prompt of 1 token or more and 2 new ones or more: the first is prefill, the others decode.",
            )
        if self.warm_up < 0 or self.runs < self.warm_up + 2:
            raise SelectionError(
                f"Of {self.runs} runs, {self.warm_up} to warm up leave too few: a standard deviation takes two.",
                f"Use --runs {max(0, self.warm_up) + 2} or more, or a smaller --warm-up, 0 or more.",
            )
        if not self.batches or min(self.batches) < 1 or len({*self.batches}) < len(self.batches):
            raise SelectionError(
                f"Batches of {', '.join(map(str, self.batches)) or 'nothing'} cannot be timed.",
                "Use different numbers of texts at a time, 1 or more: --batches 1,8,32.",
            )

    def __str__(self) -> str:
        warmed = f" after {self.warm_up} to warm up" if self.warm_up else ""
        return (
            f"a prompt of {self.prompt} tokens and {self.tokens} new ones, mean ± sd of {self.runs - self.warm_up} "
            f"runs in turn{warmed}"
        )


# How speed is timed where somebody waits for it.
GLANCE = SpeedProtocol(tokens=16, runs=5, warm_up=1)


@dataclass(frozen=True)
class Spread:
    """Of several runs."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Pace:
    """How fast one model writes that many texts at a time; seconds."""

    batch: int
    prefill: Spread  # until the first new token is known
    decode: Spread  # for the other ones
    latency: Spread  # both together
    throughput: float  # new tokens a second, of all texts
    cache_bytes: int | None  # of keys and values at the end; None where there are none
    peak_bytes: int | None  # of the weights and the most that is held beside them; None where the device does not tell


@dataclass(frozen=True)
class Paces:
    """One model, at each batch."""

    parameters: int
    weight_bytes: int
    paces: tuple[Pace, ...]


@dataclass(frozen=True)
class Ratio:
    """One mean divided by another; of a Speedup the whole model's by the smaller one's."""

    value: float
    error: float  # standard error; runs that follow each other are pairs


@dataclass(frozen=True)
class Speedup:
    """How many times as fast the smaller model writes that many texts at a time."""

    batch: int
    latency: Ratio
    prefill: Ratio
    decode: Ratio


@dataclass(frozen=True)
class Speed:
    """The whole model and a smaller one, timed in turn on one machine."""

    protocol: SpeedProtocol
    device: str
    threads: int  # of the processor, that torch uses
    whole: Paces
    smaller: Paces
    speedups: tuple[Speedup, ...]

    @property
    def single(self) -> int | None:
        """The place of the batch of one text; None where none was timed."""
        batches = self.protocol.batches
        return batches.index(1) if 1 in batches else None
