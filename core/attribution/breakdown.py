"""Where a layer's value comes from: the number of layers kept beside it, and the calibration text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.attribution import doubt
from core.attribution.hybrid import Hybrid, averaging, hybrid
from core.attribution.named_values import surrogate_of
from core.attribution.stratified import MOVE_SAMPLES
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import WORTHS
from core.records.results import RunResult


@dataclass(frozen=True)
class Breakdown:
    """One kind of value of every layer, taken apart; all in units of the worth."""

    strata: tuple[int, ...]
    by_stratum: Floats  # (strata, n), the stratified contribution at each stratum alone
    by_sequence: Floats  # (sequences, n), the value if the text were one sequence alone
    calibration: Floats  # (n,), half the width of a 90 % interval over texts of this kind; NaN for one sequence


def breakdown(
    measured: Measurements, kind: str, worth: str, strata: Sequence[int], seed: int, known: RunResult | None = None
) -> Breakdown:
    """Takes the values that `named_values.layer_values` gives apart; arguments as there, and no `paper` value.

    The surrogate's hyperparameters are those of all sequences: only what it is fitted to changes, which is quick.

    Raises:
        SelectionError: too few coalitions to fit.
    """
    measured.check_enough()
    layers, log = measured.masks.shape[1], WORTHS[worth].log
    asked = [averaging(kind, layers, strata)]
    surrogate = surrogate_of(measured, worth, seed, known)

    def figure(game: Hybrid) -> Floats:
        return np.asarray(game.values(asked, seed, MOVE_SAMPLES)[0])

    alone = [
        replace(measured, losses=measured.losses[:, [sequence]], dense=measured.dense[[sequence]])
        for sequence in range(len(measured.dense))
    ]
    by_stratum = hybrid(surrogate, log).values([averaging("stratified", layers, [kept]) for kept in strata], seed)
    by_sequence = np.array([figure(hybrid(surrogate.on(other), log)) for other in alone])
    return Breakdown(tuple(strata), by_stratum, by_sequence, doubt.of_calibration(surrogate, log, figure))
