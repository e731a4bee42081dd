"""What each layer contributes: the paper's stratified contribution, vectorised, with bootstrap intervals."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.masks import Masks
from core.surrogate import MEMBERS, Scores, fit
from core.types import Contribution

Predict = Callable[[Masks], NDArray[np.floating]]

# Masks q in the mean: the paper's number. What is shown while a run goes on, and an interval's replicate, need fewer.
SAMPLES = 80_000
EARLY_SAMPLES = 8_000
_REPLICATE_SAMPLES = 4_000
_REPLICATES = 20
_Z90 = 1.6449


def stratified_contributions(
    predict: Predict, layers: int, strata: Sequence[int], samples: int, seed: int
) -> NDArray[np.float64]:
    """The mean over masks q of each stratum of v(q with i) - v(q without i) (arXiv 2602.07804, stage 2).

    This is not the Shapley value: that one weighs all sizes 0..n alike. With `strata` = 0..n, it is
    (sum over strata k of (k/n) D_i(k-1) + (1-k/n) D_i(k)) / (n+1) = sum over sizes s of D_i(s) / n, the Shapley value.

    Args:
        predict: the worth of masks (masks, n), as (masks,) or, for several games at once, (games, masks).
        layers: n.
        strata: numbers of kept layers, 0..n; the masks are spread over them equally.
        samples: number of masks q in all.
        seed: of the masks.

    Returns:
        (strata, n), or (games, strata, n). The mean over the strata is the paper's contribution.
    """
    rng = np.random.default_rng(seed)
    each = -(-samples // len(strata))
    masks = np.concatenate([_uniform(rng, layers, kept, each) for kept in strata])
    whole = predict(masks)
    effects = np.empty((*whole.shape[:-1], len(strata), layers))
    for layer in range(layers):
        inside = masks[:, layer].copy()
        masks[:, layer] = ~inside
        # One of "with" and "without" is the mask itself, so that only its flip is evaluated.
        effect = np.where(inside, 1, -1) * (whole - predict(masks))
        masks[:, layer] = inside
        effects[..., layer] = effect.reshape(*whole.shape[:-1], len(strata), each).mean(axis=-1)
    return effects


def estimate(
    masks: Masks, scores: Scores, strata: Sequence[int], seed: int, samples: int = SAMPLES
) -> tuple[Contribution, ...]:
    """Contributions of the layers from evaluated masks.

    The value comes from an ensemble of surrogates on all masks. The interval is 90 % of a bootstrap over the evaluated
    masks: each replicate trains a surrogate of its own on a resample. It holds the doubt of sampling and of training,
    not the doubt of the calibration text, and not the surrogate's own bias.

    Args:
        masks: (masks, n).
        scores: (masks,), finite.
        strata: numbers of kept layers to average over.
        seed: of the surrogate and of the resamples.
        samples: masks q in the mean.

    Returns:
        The mean over strata, layer by layer, then each stratum in the order given.
    """
    layers = masks.shape[1]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(masks), np.full(len(masks), 1 / len(masks)), size=_REPLICATES)
    weights = np.concatenate([np.ones((MEMBERS, len(masks))), draws])
    networks = fit(masks, scores, weights, seed)
    ensemble, replicates = networks[:MEMBERS], networks[MEMBERS:]
    value = stratified_contributions(ensemble.predict, layers, strata, samples, seed)
    spread = stratified_contributions(replicates.members, layers, strata, _REPLICATE_SAMPLES, seed)
    rows = [
        (None, value.mean(axis=0), spread.mean(axis=1)),
        *((k, value[s], spread[:, s]) for s, k in enumerate(strata)),
    ]
    return tuple(
        Contribution(layer, float(mean[layer]), float(mean[layer] - half), float(mean[layer] + half), stratum)
        for stratum, mean, replica in rows
        for layer, half in enumerate(_Z90 * replica.std(axis=0, ddof=1))
    )


def _uniform(rng: np.random.Generator, layers: int, kept: int, count: int) -> Masks:
    """`count` masks of one Hamming weight, uniform, repeats allowed."""
    chosen = np.argpartition(rng.random((count, layers), dtype=np.float32), min(kept, layers - 1), axis=1)[:, :kept]
    masks = np.zeros((count, layers), dtype=np.bool_)
    np.put_along_axis(masks, chosen, True, axis=1)
    return masks
