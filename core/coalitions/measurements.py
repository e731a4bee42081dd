"""Measured coalitions as a surrogate takes them: masks, the losses of their sequences, and the worth that follows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, without
from core.errors import SelectionError

Floats = NDArray[np.float64]

# Below this score nothing differs any more: the model is ruined. It bounds the logarithm of the score.
RUINED = 1e-5
# Below this, five folds hold too little to learn from or to test on.
FEWEST_MASKS = 10
# Sizes at either end that hold less than this share of the measured masks count as not measured.
_STRAY = 0.02
# Sizes up to this share of the players are near to none.
_NEAR = 0.25
# Texts are left out one by one, or in so many groups.
_GROUPS = 20


def log_score(scores: Floats) -> Floats:
    """The logarithm of scores, of any shape, bounded below where a model is ruined."""
    return np.asarray(np.log(np.maximum(scores, RUINED)))


@dataclass(frozen=True)
class Measurements:
    """Coalitions `masks` (masks, n), none of which has a NaN, and the sequences they were measured on."""

    masks: Masks
    losses: Floats  # (masks, sequences), mean NLL in nats a token; may be infinite
    dense: Floats  # (sequences,), the whole model's

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def rises(self) -> Floats:
        """How much the mean NLL rises above the whole model's, (masks,), nats a token."""
        return np.asarray(self.losses.mean(axis=1) - self.dense.mean())

    @property
    def scores(self) -> Floats:
        """PPL_dense / PPL, (masks,): 1 means that nothing was lost, and an infinite loss is a score of 0."""
        with np.errstate(over="ignore"):
            return np.exp(-self.rises)

    @property
    def log_scores(self) -> Floats:
        """The logarithm of the scores, (masks,), bounded below where a model is ruined."""
        return log_score(self.scores)

    @property
    def fewest_kept(self) -> float:
        """The number of kept layers below which hardly anything was measured; a few strays do not count."""
        return self._size(_STRAY)

    @property
    def most_kept(self) -> float:
        """The number of kept layers above which hardly anything was measured but the whole model."""
        return self._size(1 - _STRAY)

    def _size(self, share: float) -> float:
        """A quantile of the numbers of kept layers; whole and empty coalitions are ends, and no sizes to learn from."""
        kept = self.masks.sum(axis=1)
        between = kept[(kept > 0) & (kept < self.masks.shape[1])]
        return float(np.quantile(between, share)) if len(between) else float(self.masks.shape[1])

    @property
    def teach(self) -> NDArray[np.bool_]:
        """The masks that say something of others, (masks,): all but that of no layers, where none comes near to it.

        Its loss is of no model at all, and would bend whatever is learnt of large coalitions.
        """
        near = self.fewest_kept <= _NEAR * self.masks.shape[1]
        return np.asarray(self.masks.any(axis=1) | near)

    def is_beyond(self, kept: int) -> bool:
        """Whether coalitions of that size lie outside of those that were measured.

        Between the largest size and the whole model, which is measured, too, a gap of a tenth of the layers is
        interpolated; a larger one is not.
        """
        layers, most = self.masks.shape[1], self.most_kept
        return kept < self.fewest_kept or (kept > most and most < layers - max(1, 0.1 * layers))

    def __getitem__(self, some: NDArray[np.bool_] | list[int]) -> "Measurements":
        """Some of the masks, or all of them in another order."""
        return replace(self, masks=self.masks[some], losses=self.losses[some])

    def perplexity(self, removed: Sequence[int]) -> float | None:
        """The perplexity without some layers if it has been measured; infinite for a loss that is."""
        rows = np.flatnonzero((self.masks == without(self.masks.shape[1], removed)).all(axis=1))
        with np.errstate(over="ignore"):
            return float(np.exp(self.losses[rows[0]].mean())) if len(rows) else None

    def check_enough(self) -> None:
        """SelectionError if there are too few masks to fit and to test on."""
        if len(self) < FEWEST_MASKS:
            raise SelectionError(
                f"Only {len(self)} coalitions are measured.", f"Measure {FEWEST_MASKS} or more: python -m app run."
            )

    def without_sequences(self) -> Iterator["Measurements"]:
        """The same masks without each sequence, or without each of twenty groups of them where there are more."""
        groups = np.array_split(np.arange(len(self.dense)), min(len(self.dense), _GROUPS))
        for group in groups if len(groups) > 1 else []:
            yield replace(self, losses=np.delete(self.losses, group, axis=1), dense=np.delete(self.dense, group))
