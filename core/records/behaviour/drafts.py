"""What plans are worth as drafts of the whole model."""

from dataclasses import dataclass

from core.records.behaviour.speeds import Ratio, SpeedProtocol
from core.records.behaviour.writes import Share
from core.records.spec import ModelInfo

# Tokens that are drafted at a time: the best of these is looked for.
LENGTHS = range(1, 17)
_ERRORS = 2  # standard errors by which a speed-up must be above 1


@dataclass(frozen=True)
class Draft:
    """A plan's model, writing ahead of the whole one."""

    count: int
    removed: tuple[int, ...]
    acceptance: Share  # of the whole model's own tokens, those that the draft finds likeliest in the same place
    cost: Ratio  # seconds of a token by the draft, divided by the whole model's
    length: int  # tokens at a time that gain most
    speedup: Ratio  # tokens in the same time as the whole model's alone, divided by those; expected, not timed

    @property
    def gains(self) -> bool:
        """Whether it is expected to write faster, and not by chance."""
        return self.speedup.value - _ERRORS * self.speedup.error > 1


@dataclass(frozen=True)
class Drafts:
    """All plans of a search as drafts, on one machine."""

    model: ModelInfo
    prompts: int
    tokens: int  # that the whole model writes after each, at most
    protocol: SpeedProtocol  # of the cost
    threads: int  # of the processor, that torch uses
    plans: tuple[Draft, ...]

    @property
    def most(self) -> Draft:
        """The plan of the largest expected speed-up, whether it gains or not."""
        return max(self.plans, key=lambda plan: plan.speedup.value)

    @property
    def best(self) -> Draft | None:
        """The plan that gains most; None where none does."""
        return max((plan for plan in self.plans if plan.gains), key=lambda plan: plan.speedup.value, default=None)
