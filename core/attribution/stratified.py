"""What each layer contributes: the paper's stratified contribution, vectorised, and how sure it is."""

from collections.abc import Iterable, Sequence
from typing import Protocol as Interface

import numpy as np

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.records.values import Z90, Contribution
from core.sampling.strata import uniform
from core.surrogate.surrogate import Surrogate

# Masks q in the mean: the paper's number. What is shown while a run goes on, and each draw of an interval, need fewer.
SAMPLES = 80_000
EARLY_SAMPLES = 8_000
_DRAW_SAMPLES = 2_000
DRAWS = 40
_CHUNK = 4_000


class Flips(Interface):
    """A game that can be asked for many coalitions at once."""

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        """The worth of masks (q, n), (q,), and of each of them with one layer flipped, (q, n)."""
        ...


def stratified_contributions(game: Flips, layers: int, strata: Sequence[int], samples: int, seed: int) -> Floats:
    """The mean over masks q of each stratum of v(q with i) - v(q without i) (arXiv 2602.07804, stage 2).

    This is not the Shapley value: that one weighs all sizes 0..n alike. With `strata` = 0..n, it is
    (sum over strata k of (k/n) D_i(k-1) + (1-k/n) D_i(k)) / (n+1) = sum over sizes s of D_i(s) / n, the Shapley value.

    Args:
        game: what is asked; one of "with" and "without" is q itself, so that only q and its flips are asked for.
        layers: n.
        strata: numbers of kept layers, 0..n; the masks are spread over them equally.
        samples: number of masks q in all.
        seed: of the masks.

    Returns:
        (strata, n). The mean over the strata is the paper's contribution.
    """
    rng = np.random.default_rng(seed)
    each = -(-samples // len(strata))
    return np.stack([_mean_effect(game, uniform(rng, layers, kept, each)) for kept in strata])


def _mean_effect(game: Flips, masks: Masks) -> Floats:
    total = np.zeros(masks.shape[1])
    for part in np.array_split(masks, -(-len(masks) // _CHUNK)):
        whole, flipped = game.with_flips(part)
        total += (np.where(part, 1, -1) * (whole[:, None] - flipped)).sum(axis=0)
    return np.asarray(total / len(masks))


def estimate(
    surrogate: Surrogate, other: Surrogate, strata: Sequence[int], seed: int, samples: int = SAMPLES
) -> tuple[Contribution, ...]:
    """Contributions of the layers by a surrogate, with two doubts that are told apart.

    Both intervals are 90 %: 1.645 standard deviations either way. For the doubt of sampling, the variance is that over
    40 games drawn from the surrogate's posterior, plus the square of its distance to the other surrogate: a posterior
    knows only what its own model leaves open. For the doubt of calibration, it is that over bootstrap resamples of the
    calibration sequences.

    Args:
        surrogate: what predicts the score.
        other: another model of the same measurements.
        strata: numbers of kept layers to average over.
        seed: of the masks q and of the draws.
        samples: masks q in the mean.

    Returns:
        The mean over strata, layer by layer, then each stratum in the order given.
    """
    layers = surrogate.measured.masks.shape[1]

    def contributions(game: Flips, samples: int = _DRAW_SAMPLES) -> Floats:
        """The mean over strata, then each stratum, (1 + strata, n)."""
        found = stratified_contributions(game, layers, strata, samples, seed)
        return np.concatenate([found.mean(axis=0, keepdims=True), found])

    def variance(games: Iterable[Flips]) -> Floats:
        return np.asarray(np.var([contributions(game) for game in games], axis=0, ddof=1))

    rng = np.random.default_rng(seed)
    value = contributions(surrogate, samples)
    model = (contributions(other) - contributions(surrogate)) ** 2
    sampling = Z90 * np.sqrt(variance(surrogate.draws(DRAWS, rng)) + model)
    calibration = Z90 * np.sqrt(variance(surrogate.on_other_sequences(DRAWS, rng)))
    if len(surrogate.measured.dense) < 2:
        calibration[:] = np.nan  # one sequence says nothing about others
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
