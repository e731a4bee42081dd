"""What each layer contributes in a run: the stratified contribution to the score, and how sure it is."""

from collections.abc import Sequence

import numpy as np

from core.attribution import doubt
from core.attribution.hybrid import Hybrid, averaging, hybrid
from core.attribution.stratified import MOVE_SAMPLES, SAMPLES
from core.coalitions.measurements import Floats
from core.records.values import Contribution
from core.surrogate.stacked import Stacked
from core.surrogate.surrogate import Surrogate


def contributions(
    surrogate: Surrogate | Stacked, strata: Sequence[int], seed: int, samples: int = SAMPLES
) -> tuple[Contribution, ...]:
    """Contributions of the layers by a surrogate and what it was fitted to, with two doubts that are told apart.

    Both intervals are 90 %. Where every coalition was measured, nothing is left to sampling: that interval has no
    width.

    Args:
        surrogate: what predicts the score.
        strata: numbers of kept layers to average over.
        seed: of the masks q and of the folds.
        samples: masks q in the mean, where there are too many coalitions to name all.

    Returns:
        The mean over strata, layer by layer, then each stratum in the order given.
    """
    layers = surrogate.measured.masks.shape[1]
    kinds = [averaging("stratified", layers, some) for some in (strata, *([kept] for kept in strata))]

    def figure(game: Hybrid) -> Floats:
        return game.values(kinds, seed, MOVE_SAMPLES)

    game = hybrid(surrogate, log=False)
    value = game.values(kinds, seed, samples)
    sampling = np.zeros_like(value) if game.complete else doubt.of_sampling(surrogate, False, figure, seed)
    calibration = doubt.of_calibration(surrogate, False, figure)
    return tuple(
        Contribution(
            layer=layer,
            value=float(mean[layer]),
            low=float(mean[layer] - half[layer]),
            high=float(mean[layer] + half[layer]),
            calibration=float(text[layer]),
            stratum=stratum,
        )
        for stratum, mean, half, text in zip((None, *strata), value, sampling, calibration, strict=True)
        for layer in range(layers)
    )
