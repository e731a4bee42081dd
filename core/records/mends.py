"""What was done to a model after layers were removed, on which text, and what each step of it gave."""

from dataclasses import dataclass

from core.records.spec import ModelInfo, RunSpec, TextProtocol

COMPENSATIONS = ("none", "scale", "refit", "logits")


LEAST = 8  # sequences that a compensation is fitted on, those that decide among them
# Of how compensations are fitted: another one gives other weights for the same request.
FITTING = 2


@dataclass(frozen=True)
class Compensate:
    """What is asked for."""

    how: str  # scale, refit or logits
    windows: int | None = None  # calibration windows to fit on; None takes as many as 12,288 tokens give
    fitting: int = FITTING


@dataclass(frozen=True)
class Mend:
    """One cut, a run of removed layers, and the fit for it."""

    first: int  # removed layers, from this one
    last: int  # to this one
    # The ridge, of the mean of the Gram matrix's diagonal; of scale the scalar; 0 where nothing could be fitted.
    strength: float
    before: float  # mean loss without the fit on sequences that it has not seen, nats a token
    after: float  # with it
    accepted: bool


@dataclass(frozen=True)
class Step:
    """One step of all refitted projections together, towards the whole model's predictions."""

    length: float  # in steps of the quadratic that its curvature makes of the loss
    damping: float  # of the curvature, in means of its diagonals
    before: float  # mean loss on sequences that no fit has seen, nats a token
    after: float


@dataclass(frozen=True)
class Compensation:
    """The fits of all cuts, in their order."""

    how: str  # scale, refit or logits
    fitted: TextProtocol  # the sequences of the fits
    held: int  # so many of them, the last ones, decide whether a fit is accepted
    cuts: tuple[Mend, ...]
    steps: tuple[Step, ...] = ()  # of logits, behind the fits of all cuts

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(self.cuts))
        object.__setattr__(self, "steps", tuple(self.steps))

    @property
    def accepted(self) -> int:
        """The number of accepted fits."""
        return sum(cut.accepted for cut in self.cuts)


@dataclass(frozen=True)
class Heal:
    """What is asked for: low-rank additions (LoRA) to the matrices of the layers that stay, trained and merged."""

    steps: int = 64  # of the optimiser
    epochs: int = 0  # passes over the text in place of so many steps; 0: steps
    batch: int = 8  # windows or instructions in a step
    warmup: int = 0  # steps in which the learning rate rises
    rate: float = 1e-4  # the learning rate at its highest; it falls to zero in a line
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    cutoff: int = 256  # tokens of an instruction with its answer
    held: int = 32  # windows or instructions, at most, that are not trained on and decide which state is kept
    seed: int = 42
    # Of the loss, the share that is KL(whole model || this one) of each prediction; the rest is the text's.
    distil: float = 0.0
    temperature: float = 1.0  # by which the logits of both are divided for that
    corpus: str = ""  # a text; empty: the run's own
    instructions: str = ""  # a file of them in place of a text


WARMEST = 100.0  # temperature of a distillation
# The paper's (arXiv 2602.07804), with instructions: 4 x 16 in a step, of which four are in memory at once.
HEALS = {"short": Heal(rate=5e-4), "paper": Heal(epochs=2, batch=64, warmup=100, held=2000)}


def usual_recipe(device: str) -> str:
    """Which of HEALS is taken where nobody names one: minutes on a processor, the paper's on a GPU of CUDA."""
    return "paper" if device.startswith("cuda") else "short"


@dataclass(frozen=True)
class FourBits:
    """What is asked for: weights in four bits, by a library in a side folder."""

    library: str
    version: str
    group: int  # weights that share a scale
    fit: int  # windows of the calibration half that it is fitted to; 0 where the library needs none
    asked: RunSpec  # names the text, its windows, the dtype and the device; the model is the folder that is rounded


@dataclass(frozen=True)
class Reading:
    """What is known of a training after some steps."""

    step: int
    loss: float | None  # mean training loss since the last reading, nats a token; None before the first step
    perplexity: float  # of what is held out


@dataclass(frozen=True)
class Healing:
    """A training: on what, and what it gave."""

    text: str  # in words
    tokens: str  # fingerprint of the token ids, those held out among them
    trained: int  # windows or instructions that could be trained on
    held: int  # so many others gave the readings
    steps: int  # that were made
    readings: tuple[Reading, ...]
    before: float  # perplexity of the model that was trained, on the text that the export is judged on

    def __post_init__(self) -> None:
        object.__setattr__(self, "readings", tuple(self.readings))

    @property
    def kept(self) -> Reading:
        """Of the state that was kept: the first one of the lowest perplexity."""
        return min(self.readings, key=lambda reading: reading.perplexity)


@dataclass(frozen=True)
class CompensatedPlan:
    """A removal without and with compensation, on text that its fits have not seen."""

    removed: tuple[int, ...]
    plain: float  # perplexity without compensation
    perplexity: float  # with it
    low: float  # 90 % interval of it for other text of the kind
    high: float
    cuts: tuple[Mend, ...]

    @property
    def count(self) -> int:
        """The number of removed players."""
        return len(self.removed)


@dataclass(frozen=True)
class CompensatedPlans:
    """Finalists of a search, each compensated and judged on the sequences that the search has judged plans on."""

    model: ModelInfo
    protected: tuple[int, ...]
    how: str  # scale, refit or logits
    protocol: TextProtocol  # the sequences that judge
    fitted: TextProtocol  # those of the fits, none of which judges
    held: int  # so many of them, the last ones, decide whether a fit is accepted
    judged: tuple[CompensatedPlan, ...]  # in the order in which they were compensated
    spent: float = 0.0  # on that, in units of a search's budget
    fitting: int = 1  # of what an earlier release has kept

    def best(self) -> tuple[CompensatedPlan, ...]:
        """Of each count the one whose perplexity after compensation is least, the fewest removed first."""
        found: dict[int, CompensatedPlan] = {}
        for plan in self.judged:
            if plan.count not in found or plan.perplexity < found[plan.count].perplexity:
                found[plan.count] = plan
        return tuple(found[count] for count in sorted(found))

    def of(self, removed: tuple[int, ...]) -> CompensatedPlan | None:
        """What is known of a removal."""
        return next((plan for plan in self.judged if plan.removed == removed), None)
