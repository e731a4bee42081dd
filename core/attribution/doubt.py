"""How far figures of a game may be off: for the coalitions that were not measured, and for the text it was measured on.

Both leave some of what was measured out and look how the figure moves, so that whatever the surrogate gets wrong shows.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb
from scipy.stats import t

from core.attribution.hybrid import Hybrid, hybrid
from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.records.values import Z90
from core.surrogate.stacked import Stacked
from core.surrogate.surrogate import Surrogate

Figure = Callable[[Hybrid], Floats]  # (…,) of a game

# Standard errors in root mean squares of the move when a fifth of the coalitions is left out. Were errors to fall as
# the inverse of their number, independent from part to part, it would be 1 / sqrt(1.25^2 - 1) = 1.33. What intervals
# hold with it is measured by benchmarks/attribution.py.
_MOVES = 1.3


def of_sampling(surrogate: Surrogate | Stacked, log: bool, figure: Figure, seed: int) -> Floats:
    """Half the width of a 90 % interval for the coalitions that were not measured, (…,) as the figure.

    A delete-a-group jackknife over the folds of cross-validation, with hyperparameters that the group has not taught.
    Where all coalitions of a size were measured, they are no sample, and stay known. Five moves say little about one
    entry alone: its mean square is averaged with that of all entries.

    Args:
        surrogate: fitted.
        log: whether the worth is the log score.
        figure: of a game; its last axis is over players, or it is (n, n) over pairs, of which the diagonal is zero.
        seed: of the folds.
    """
    measured, centre = surrogate.measured, figure(hybrid(surrogate, log))
    settled = _of_whole_sizes(measured.masks)
    moves = [
        figure(hybrid(other, log, also=measured[out & settled])) - centre
        for other, out in surrogate.without_fifths(seed)
    ]
    square = np.mean(np.square(moves), axis=0)
    together = square.mean(axis=-1, keepdims=True)
    return np.asarray(Z90 * _MOVES * np.sqrt((square + together) / 2))


def _of_whole_sizes(masks: Masks) -> NDArray[np.bool_]:
    """Which masks (m, n) are of a size all of whose coalitions are among them, (m,)."""
    kept, layers = masks.sum(axis=1), masks.shape[1]
    return np.asarray((np.bincount(kept, minlength=layers + 1) == comb(layers, np.arange(layers + 1)))[kept])


def of_calibration(surrogate: Surrogate | Stacked, log: bool, figure: Figure) -> Floats:
    """Half the width of a 90 % interval for other texts of this kind, (…,); NaN for one sequence, which says nothing.

    The jackknife over sequences (Efron and Tibshirani 1993, equation 11.5), with Student's t for their number.
    """
    moved = np.array([figure(hybrid(surrogate.on(other), log)) for other in surrogate.measured.without_sequences()])
    if not len(moved):
        return np.full_like(figure(hybrid(surrogate, log)), np.nan)
    groups = len(moved)
    error = np.sqrt((groups - 1) / groups * ((moved - moved.mean(axis=0)) ** 2).sum(axis=0))
    return np.asarray(t.ppf(0.95, groups - 1) * error)


def between_texts(
    surrogate: Surrogate | Stacked, log: bool, figure: Figure, scale: Floats, splits: int, seed: int
) -> Floats:
    """How many entries of a figure on one half of the sequences are inside the intervals set on the other, (splits, 2).

    Shares, of random halves and both directions. The figure on the other half is itself one of few texts: intervals
    are for what they would say together, and are widened by the other half's own doubt.

    Args:
        surrogate, log, figure: as for `of_calibration`.
        scale: by how much that interval is multiplied, (…,) as the figure.
        splits: random halves.
        seed: of them.
    """
    measured, rng = surrogate.measured, np.random.default_rng(seed)
    shares = np.empty((splits, 2))
    for split in range(splits):
        halves = np.array_split(rng.permutation(len(measured.dense)), 2)
        alone = [
            surrogate.on(replace(measured, losses=measured.losses[:, some], dense=measured.dense[some]))
            for some in halves
        ]
        values = [figure(hybrid(one, log)) for one in alone]
        moved = np.abs(values[0] - values[1])
        for index, one in enumerate(alone):
            wider = np.sqrt(1 + len(halves[index]) / len(halves[1 - index]))
            shares[split, index] = (moved <= scale * of_calibration(one, log, figure) * wider).mean()
    return shares
