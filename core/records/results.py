"""What a run finds, in the form in which it is stored, shown and printed."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    error: float | None = None  # standard error of the mean difference, over masks; None where nobody has kept it

    def __str__(self) -> str:
        apart = f"{self.mean_absolute_nll:.4f}" + (f" ± {self.error:.4f}" if self.error is not None else "")
        return (
            f"{self.dtype} against float32, measured on {self.masks} coalitions x {self.sequences} sequences: mean "
            f"absolute difference {apart} nats a token, rank correlation {self.spearman:.4f}"
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
