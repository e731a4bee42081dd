"""How many coalitions settle a ranking, before any is measured: from the halves of what a run of the model measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.attribution.hybrid import averaging, hybrid
from core.attribution.stability import SETTLED
from core.attribution.stratified import MOVE_SAMPLES
from core.coalitions.measurements import FEWEST_MASKS, Floats, Measurements
from core.coalitions.ranks import rank_correlation
from core.records.fits import Learnt
from core.surrogate.surrogate import fit

_SPLITS = 20


@dataclass(frozen=True)
class Settling:
    """How the rankings from two sets of as many other coalitions agree: as n / (n + `lack`) for n coalitions each.

    As with the halves of a psychological test (Spearman, Brown 1910): what the coalitions leave open has a variance
    that falls as their number.
    """

    half: int  # coalitions in each half
    spearman: float  # rank correlation of the two halves' rankings, the mean over ways to halve
    lack: float  # coalitions with which half of the variance is chance

    @property
    def coalitions(self) -> int:
        """From which on the ranking counts as settled, extrapolated."""
        return max(FEWEST_MASKS, round(self.lack * SETTLED / (1 - SETTLED)))

    def expected(self, coalitions: int) -> float:
        """The rank correlation of two rankings from so many coalitions each, extrapolated."""
        return coalitions / (coalitions + self.lack)


def settling(measured: Measurements, strata: Sequence[int], seed: int, learnt: Learnt | None) -> Settling | None:
    """What the halves of a run tell; None where they have too few coalitions, or have nothing in common.

    Args:
        measured: the run's coalitions.
        strata: numbers of kept players that contributions average over.
        seed: of the ways to halve.
        learnt: the hyperparameters of the run's surrogate of the log score, if it has kept them.
    """
    half = len(measured) // 2
    if half < FEWEST_MASKS:
        return None
    rng = np.random.default_rng(seed)
    found = [_agreement(measured, strata, rng, learnt) for _ in range(_SPLITS if learnt is not None else 2)]
    correlation = float(np.mean(found))
    if not correlation > 0:
        return None
    return Settling(half, correlation, half * (1 / correlation - 1))


def _agreement(measured: Measurements, strata: Sequence[int], rng: np.random.Generator, learnt: Learnt | None) -> float:
    """The rank correlation of the contributions by one half of the coalitions and by the other; sizes are shared."""
    order = rng.permutation(len(measured))
    order = order[np.argsort(measured.masks[order].sum(axis=1), kind="stable")]
    one, other = (_values(measured[part.tolist()], strata, learnt) for part in (order[::2], order[1::2]))
    return rank_correlation(one, other)


def _values(measured: Measurements, strata: Sequence[int], learnt: Learnt | None) -> Floats:
    """The stratified contributions of the score, (n,)."""
    kind = averaging("stratified", measured.masks.shape[1], strata)
    found: Floats = hybrid(fit(measured, learnt=learnt), log=False).values([kind], 0, MOVE_SAMPLES)[0]
    return found
