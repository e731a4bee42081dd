"""What a run finds, and how a pruned model behaves, in the form in which it is stored, shown and printed."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import SelectionError
from core.records.fits import Band, Fit, Learnt
from core.records.spec import ModelInfo, TextProtocol
from core.records.values import Contribution, PairInteractions


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
    protocol: TextProtocol
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
    precision: Precision | None = None  # None in float32, while the run goes on, and for large models
    interactions: PairInteractions | None = None  # local, on the log score; None while the run goes on
    bands: tuple[Band, ...] = ()  # of predictive intervals, the largest coalitions first; none while the run goes on
    layer_parameters: tuple[int, ...] = ()  # of each player; () in results of earlier releases
    learnt: tuple[Learnt, ...] = ()  # of both surrogates; () while the run goes on, and of earlier releases
    level: float | None = None  # at which both surrogates have the same say in scores; None in earlier releases
    added: tuple[str, ...] | None = None  # masks that an adaptive run chose on its way; None in earlier releases

    def parameters_without(self, removed: Sequence[int]) -> int | None:
        """Parameters of the model that is left without some players, if the result knows them."""
        if not self.layer_parameters:
            return None
        return self.model.parameters_without(removed, self.layer_parameters)

    @property
    def is_exact(self) -> bool:
        """Whether its contributions are exact, as where every coalition was measured: nothing is left to sampling."""
        return all(item.low == item.high for item in self.contributions)

    @property
    def overall(self) -> tuple[Contribution, ...]:
        """One contribution for each layer: the mean over the strata."""
        return tuple(item for item in self.contributions if item.stratum is None)

    @property
    def by_stratum(self) -> tuple[tuple[float, ...], ...]:
        """The value of each layer at each stratum, (strata, n)."""
        return tuple(tuple(item.value for item in self.contributions if item.stratum == kept) for kept in self.strata)


@dataclass(frozen=True)
class Findings:
    """What a list of runs says of a result, which is of a hundred kilobytes itself (`attribution.stability`)."""

    fingerprint: str  # of the model
    layers: int
    players: int
    dtype: str
    device: str
    bos: str
    dense_perplexity: float
    matters_most: str  # a player's name
    r2: float  # of the surrogate, on coalitions that it has not seen
    ranks: float  # expected rank correlation with another run's
    is_exact: bool
    fitted: int  # coalitions that the estimates rest on
    measured: int  # evaluations made by the last start of the run


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
    """The whole model's mean divided by the smaller one's."""

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
    threads: int  # of the processor, that torch uses
    whole: Paces
    smaller: Paces
    speedups: tuple[Speedup, ...]


# Of the divergence by token; the fields of Agreement.
PERCENTILES = (50, 90, 99, 99.9)


@dataclass(frozen=True)
class Share:
    """A share of tokens or words of a text; NaN where there are none."""

    value: float
    error: float  # standard error over sequences; NaN of a single one
    of: int


@dataclass(frozen=True)
class Agreement:
    """How near a pruned model's predictions are to the whole one's, over the tokens of unseen text."""

    top1: Share  # tokens for which both find the same one likeliest
    kl_50: float  # percentiles of KL(whole || pruned), nats
    kl_90: float
    kl_99: float
    kl_999: float


@dataclass(frozen=True)
class Writes:
    """What a model writes after the stored prompts, greedily."""

    verdict: str  # writes, repeats or broken (core.writing.degeneration)
    distinct2: float  # different pairs of tokens, of all pairs; the mean over texts
    longest_repeat: float  # tokens of the longest n-gram that is there twice; the mean over texts
    loops: float  # share of texts that end in a loop
    surprise: float  # the whole model's loss on what was written, nats a token
    agreed: float  # tokens before the first that the whole model does not write; the mean over texts
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Behaviour:
    """What perplexity does not tell of a pruned model, beside the whole one."""

    removed: tuple[int, ...]
    model: ModelInfo
    protocol: TextProtocol  # of the unseen text
    prompts: tuple[str, ...]
    tokens: int  # of each text, at most
    whole: Writes
    pruned: Writes
    agreement: Agreement
    whole_words: Share  # last words of passages that are found
    pruned_words: Share
