"""Which layers a task needs, as it is stored and shown."""

from dataclasses import dataclass

from core.records.mends import LEAST
from core.records.values import LayerValues, PairInteractions

# What of an answer a coalition is worth: how much likelier the right choice is than the best wrong one (of a task
# without choices, how likely its answer is), in nats, the mean over items; or whether lm-eval's accuracy counts it.
MARGIN, ACCURACY = ANSWERS = ("margin", "accuracy")
FEWEST_ITEMS = 4  # of which values can be estimated: two in each half
# In place of a task, the run's own text once the layers that stay were compensated, by the kind of that: a window is
# an item then, and worth its log score.
ADAPTED = ("refit", "scale")
_FIT_TOKENS = 4096


def fit_windows(window: int) -> int:
    """How many windows of so many tokens each cut is fitted on, unless somebody wants others: a coalition has many."""
    return max(LEAST, _FIT_TOKENS // window)


@dataclass(frozen=True)
class ItemMean:
    """A mean over items, with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.3g}"


@dataclass(frozen=True)
class TaskPlan:
    """A set that a task is thought to miss least of its size, beside the run's own, on items that chose neither."""

    count: int
    removed: tuple[int, ...]  # chosen on other items: the best there of the sets that a surrogate named, and the run's
    of_run: tuple[int, ...]  # the run's own plan, chosen on its text
    chosen_on: int  # items
    judged_on: int  # the others
    whole: ItemMean  # what the whole model's answers are worth
    worth: ItemMean  # what is left without `removed`
    worth_of_run: ItemMean  # and without `of_run`
    difference: ItemMean  # of these two, item by item


@dataclass(frozen=True)
class TaskNeeds:
    """What each layer adds to a model's answers to a task."""

    task: str
    version: str  # of prompts and metrics
    shots: int
    split: str
    items: int
    source: str  # of the items
    answers: str  # margin or accuracy; of ADAPTED log_score
    masks: int  # coalitions that were asked, besides the whole model
    values: LayerValues
    halves: float  # rank correlation of the values from one random half of the items with those from the other
    text: LayerValues | None = None  # of the log score for the run's text, over the same coalitions
    pairs: PairInteractions | None = None  # of the same worth, if they were asked for
    plans: tuple[TaskPlan, ...] = ()  # likewise, the fewest removed first

    @property
    def title(self) -> str:
        """The task and what of its answers counts, in a few words."""
        return f"text after {self.task}" if self.task in ADAPTED else f"{self.task}, {self.answers}"

    @property
    def worth(self) -> str:
        """What a coalition is worth, in words."""
        if self.task in ADAPTED:
            return f"log score of the run's text after {self.task}, nats a token ({self.source})"
        what = f"{self.answers} of {self.task} {self.version}" + (", nats" if self.answers == MARGIN else "")
        return f"{what} ({self.split}, {self.shots}-shot, {self.items} items of {self.source})"
