"""Where a layer's value comes from: the number of layers kept beside it, and the calibration text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.attribution.closed_form import stratified, values
from core.attribution.named_values import measure_of
from core.attribution.stratified import DRAWS
from core.coalitions.measurements import Floats, Measurements
from core.records.results import RunResult
from core.records.values import Z90
from core.surrogate.surrogate import fit_worth


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
    layers = measured.masks.shape[1]
    how = measure_of(kind, layers, strata)
    surrogate = fit_worth(measured, worth, known)

    def on(some: Iterable[Measurements]) -> Floats:
        return values([surrogate.on(other).process for other in some], how)

    alone = [
        replace(measured, losses=measured.losses[:, [sequence]], dense=measured.dense[[sequence]])
        for sequence in range(len(measured.dense))
    ]
    half = np.full(layers, np.nan)
    if len(measured.dense) > 1:
        resampled = on(measured.on_other_sequences(DRAWS, np.random.default_rng(seed)))
        half = Z90 * resampled.std(axis=0, ddof=1)
    by_stratum = np.concatenate([values([surrogate.process], stratified(layers, [kept])) for kept in strata])
    return Breakdown(tuple(strata), by_stratum, on(alone), half)
