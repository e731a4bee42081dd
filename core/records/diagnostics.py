"""How far a surrogate can be trusted, in the form in which it is stored and shown; `surrogate.diagnose` finds it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HeldOut:
    """What one kind of surrogate predicts of masks that it has not seen."""

    name: str  # of the kind
    scores: tuple[float, ...]  # PPL_dense / PPL of each mask of the diagnostics, in their order


@dataclass(frozen=True)
class Step:
    """How well the surrogate in use predicts held-out masks when it learns from so many."""

    masks: int
    r2: float
    spearman: float


@dataclass(frozen=True)
class Extrapolation:
    """One kind of surrogate on the smallest coalitions: when it has seen such sizes, and when it has not.

    Errors are mean absolute ones of the log score, nats a token. Neither fit has seen the masks themselves.
    """

    name: str
    inside: float
    beyond: float
    spearman_inside: float
    spearman_beyond: float


@dataclass(frozen=True)
class Beyond:
    """What extrapolation costs: the largest removals that were measured, predicted from smaller ones alone."""

    fewest: int  # kept layers of the masks tested
    most: int
    masks: int  # tested
    coverage: float  # share of them inside the 90 % interval that the larger coalitions alone set
    kinds: tuple[Extrapolation, ...]


@dataclass(frozen=True)
class Diagnostics:
    """Surrogates held against masks that they have not seen, mask by mask."""

    masks: tuple[str, ...]  # '1' for a kept layer; at most 1,000, drawn at random
    scores: tuple[float, ...]  # measured PPL_dense / PPL of each
    predicted: tuple[HeldOut, ...]  # the surrogate in use comes first
    curve: tuple[Step, ...]  # of the surrogate in use, on all masks; the last one learns from all other folds
    beyond: Beyond | None  # None where all sizes are alike, or too few masks would be left to learn from
