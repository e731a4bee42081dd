"""What an audit of a run finds: each of its claims held against what was measured, in the form in which it is shown."""

from dataclasses import dataclass, fields

# A claim holds, fails, or cannot be told from what was measured.
HOLDS, FAILS, UNKNOWN = "holds", "fails", "unknown"
# What each claim is about, for people.
CLAIMS = {
    "figures": "figures of the run",
    "sums": "efficiency",
    "exactness": "exactness",
    "coalitions": "held-out coalitions",
    "texts": "held-out sequences",
    "chosen": "chosen sets",
}


@dataclass(frozen=True)
class Part:
    """One claim."""

    state: str
    says: str  # what was found, in words without a full stop


@dataclass(frozen=True)
class Figures(Part):
    """The figures that a run keeps, against those that its coalitions give now."""

    lost: int  # coalitions that they rest on and that are not there any more
    difference: float | None  # the largest of contributions, intervals and bands, relative; None: not compared


@dataclass(frozen=True)
class Sum:
    """Shapley values of one worth, against what the whole model is worth more than none of its players."""

    worth: str
    values: float
    measured: float | None  # None: one of the two was not measured
    own: bool  # whether the run's own coalitions have both, so that its values rest on them


@dataclass(frozen=True)
class Sums(Part):
    """Efficiency: what Shapley values sum to."""

    worths: tuple[Sum, ...]


@dataclass(frozen=True)
class Exactness(Part):
    """Values against enumeration."""

    measured: int  # coalitions of the game, the whole model among them, by whomever
    coalitions: float  # that there are
    difference: float | None  # of values from those of the same game enumerated, relative; None: too many to enumerate
    error: float | None  # of the run's contributions, |estimate - exact| / |exact|; None: not all are measured
    inside: int | None  # exact contributions that are inside the run's intervals


@dataclass(frozen=True)
class OfSize:
    """Held-out coalitions of one size."""

    kept: int
    inside: int
    of: int


@dataclass(frozen=True)
class Coalitions(Part):
    """Predictive intervals, against coalitions that neither the fit nor the intervals had seen."""

    inside: int
    of: int
    shown: int | None  # inside the intervals that the run shows, of as many; None: it shows none
    factor: float | None  # what a predicted perplexity may be multiplied or divided by, the median
    r2: float | None  # of the held-out log scores
    sizes: tuple[OfSize, ...]


@dataclass(frozen=True)
class Texts(Part):
    """Intervals for other texts, set on one half of the sequences, against the contributions on the other half."""

    inside: float | None  # share, over players, both directions and all splits
    splits: int
    sequences: int


@dataclass(frozen=True)
class Chosen(Part):
    """Plans of a search as they were measured, against what the surrogate says of them, which has not seen them."""

    inside: int  # their predictive intervals
    of: int
    factor: float | None  # measured over predicted perplexity, the geometric mean


@dataclass(frozen=True)
class Audit:
    """What holds of a run, and what does not."""

    run: str
    own: int  # coalitions of the run
    figures: Figures
    sums: Sums
    exactness: Exactness
    coalitions: Coalitions
    texts: Texts
    chosen: Chosen

    @property
    def parts(self) -> dict[str, Part]:
        """The claims by name, in the order of reading."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part for name, part in every.items() if isinstance(part, Part)}

    @property
    def sound(self) -> bool:
        """Whether nothing fails of what could be told, and something could be."""
        states = [part.state for part in self.parts.values()]
        return FAILS not in states and HOLDS in states

    @property
    def verdict(self) -> str:
        """In one line: whatever fails, then what the values sum to, and which intervals and predictions hold."""
        exact = self.exactness.error is not None
        usual = (self.sums, *([self.exactness] if exact else []), self.coalitions, self.texts, self.chosen)
        failing = [part for part in self.parts.values() if part.state == FAILS]
        return "; ".join(
            [*(f"FAILS: {part.says}" for part in failing), *(part.says for part in usual if part.state != FAILS)]
        )

    @property
    def headline(self) -> str:
        """The verdict for whoever reads one line only: what fails first, or how many predictions were inside."""
        failing = [part for part in self.parts.values() if part.state == FAILS]
        if failing:
            others = f"; {len(failing) - 1} more of {len(self.parts)} claims fail" if len(failing) > 1 else ""
            return f"FAILS: {failing[0].says}{others}"
        if self.coalitions.state != HOLDS or not self.coalitions.of:
            return self.coalitions.says
        told = f"{self.coalitions.inside / self.coalitions.of:.0%} of {self.coalitions.of:,} unseen coalitions"
        if self.chosen.of:
            told += f" and {self.chosen.inside} of {self.chosen.of} chosen sets"
        return f"{told} are inside their 90 % intervals; nothing fails"
