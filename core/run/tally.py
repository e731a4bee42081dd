"""What is known so far of the coalitions of one run: their losses, and where the run stands."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, encode
from core.coalitions.measurements import Measurements
from core.evaluate.perplexity import perplexity
from core.records.spec import Losses, ModelInfo, RunSpec, TextProtocol
from core.sampling.samplers import rounds, wanted


@dataclass
class Tally:
    """The coalitions of one run, `masks` (1 + masks, layers) with the full coalition first, and the known losses."""

    run: str
    model: ModelInfo
    protocol: TextProtocol
    strata: tuple[int, ...]
    spec: RunSpec
    masks: Masks  # an adaptive run adds to them
    known: Callable[[Masks], dict[int, Losses]]  # what the store knows, by row of the masks that it is given
    layer_parameters: tuple[int, ...]
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.losses = self.known(self.masks)  # by row of masks
        self.cached = len(self.losses)
        self._begun = len(self.masks)
        self.total = wanted(self.spec, self.masks)
        self._lowest: dict[int, float] = {}
        self._ranked = 0  # losses that these are the lowest of

    def rounds(self) -> Iterator[NDArray[np.int64]]:
        """The rows that are missing of the masks that a run begins with, round by round, the whole model first."""
        for low, high in pairwise(rounds(len(self.masks) - 1)):
            yield from self.missing(low, high)

    def missing(self, low: int, high: int | None = None) -> Iterator[NDArray[np.int64]]:
        """The rows from `low` on that have not been measured, at once; nothing where there are none."""
        rows = np.array([row for row in range(len(self.masks))[low:high] if self.lacks(row)], dtype=np.int64)
        if len(rows):
            yield rows

    def add(self, masks: Masks) -> None:
        """Takes in further masks, (masks, layers), none of which it has, with what the store knows of them."""
        before = len(self.masks)
        found = {before + row: losses for row, losses in self.known(masks).items()}
        self.masks = np.concatenate([self.masks, masks])
        self.losses |= found
        self.cached += len(found)

    @property
    def added(self) -> tuple[str, ...]:
        """The masks that were taken in on the way, encoded; what the run began with follows from its specification."""
        return tuple(map(encode, self.masks[self._begun :]))

    def lacks(self, row: int) -> bool:
        """Whether the mask in this row has not been measured yet."""
        return row not in self.losses

    @property
    def dense_perplexity(self) -> float:
        return perplexity(self.losses[0])

    @property
    def measured(self) -> int:
        """Evaluations that were not known when the run was started."""
        return len(self.losses) - self.cached

    def best(self) -> tuple[tuple[int, float], ...]:
        """The lowest perplexity of each size, the fewest removed first; the whole model is no choice."""
        for row, losses in islice(self.losses.items(), self._ranked, None):
            count, found = int((~self.masks[row]).sum()), perplexity(losses)
            if count and found < self._lowest.get(count, math.inf):
                self._lowest[count] = found
        self._ranked = len(self.losses)
        return tuple(sorted(self._lowest.items()))

    def measurements(self) -> Measurements:
        """What the surrogate learns from. A mask with a NaN has no score: it is left out together with its losses."""
        rows = [row for row in sorted(self.losses) if row > 0 and not np.isnan(self.losses[row]).any()]
        losses = np.array([self.losses[row] for row in rows], dtype=np.float64)
        return Measurements(self.masks[rows], losses, self.losses[0].astype(np.float64))
