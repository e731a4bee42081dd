"""What a model scored on tasks, and the answers behind it."""

from dataclasses import dataclass
from typing import NamedTuple

# What the paper of this method measures (arXiv 2602.07804): all without examples, on whole splits.
PAPER_TASKS = (
    *("lambada_openai", "openbookqa", "arc_easy", "arc_challenge"),
    *("winogrande", "hellaswag", "piqa", "boolq"),
)
# What needs neither data nor lm-eval: a list of small sums; the whole model's likeliest tokens of a run's unseen text.
SUMS, AGREEMENT = OWN_TASKS = ("sums", "agreement")
SUMS_OF_A_PLAN = 20  # the first of the list, for every plan of a search
SUMS_TOKENS = 1_400  # whose evaluation takes as long as those sums do: measured on two cores (docs/measured.md)


class Answer(NamedTuple):
    """Of one item: how likely each continuation is after its context, and whether the likeliest tokens spell it."""

    likelihoods: tuple[float, ...]  # nats, summed over the tokens of a continuation
    greedy: tuple[bool, ...]


@dataclass(frozen=True)
class Metric:
    """One figure of a task."""

    name: str  # as lm-eval calls it: acc, acc_norm, perplexity
    value: float
    error: float | None  # standard error, where it is known


@dataclass(frozen=True)
class TaskScore:
    """What one model scored on one task."""

    task: str
    version: str  # of prompts and metrics
    shots: int
    split: str
    items: int
    source: str  # of the items: a data set of the Hub, or a file
    metrics: tuple[Metric, ...]
    digest: str = ""  # of all items as the model reads them: two scores compare where it is the same


@dataclass(frozen=True)
class ModelScores:
    """What a model without some players scored."""

    removed: tuple[int, ...]
    tasks: tuple[TaskScore, ...]
