"""What a pruned model writes and predicts, beside the whole one."""

from dataclasses import dataclass

from core.records.spec import ModelInfo, TextProtocol

# Of the divergence by token; the fields of Agreement.
PERCENTILES = (50, 90, 99, 99.9)
TOKENS = 64  # of each text that a verdict is on, where nobody says how many


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
class Predicts:
    """What a pruned model predicts of unseen text, beside the whole one."""

    protocol: TextProtocol
    agreement: Agreement
    whole_words: Share  # last words of passages that are found
    pruned_words: Share


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
    prompts: tuple[str, ...]
    tokens: int  # of each text, at most
    whole: Writes
    pruned: Writes
    predicts: Predicts
