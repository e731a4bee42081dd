"""The paper's stratified contribution of any game that can be asked for many coalitions at once, by sampling."""

from collections.abc import Sequence
from typing import Protocol as Interface

import numpy as np

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.sampling.strata import uniform

# Masks q in the mean: the paper's number. What is shown while a run goes on, and the moves of an interval, need fewer.
SAMPLES = 80_000
EARLY_SAMPLES = 8_000
MOVE_SAMPLES = 2_000
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
