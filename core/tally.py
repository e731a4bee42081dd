"""What a run has measured so far, and what follows from it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.attribution import EARLY_SAMPLES, SAMPLES, estimate
from core.losses import perplexity
from core.masks import Masks
from core.surrogate import FEWEST_MASKS, Scores, cross_validate, cross_validate_as_paper
from core.types import Losses, ModelInfo, Progress, Protocol, RunResult

# Masks are walked in rounds. Each round is a balanced part of the sample, so that an estimate after it rests on no
# particular kind of masks; and they are few, since prefixes are shared best in large ones.
_ROUNDS = (0.1, 0.4, 1.0)


@dataclass
class Tally:
    """The coalitions of one run, `masks` (1 + masks, layers) with the full coalition first, and the known losses."""

    run: str
    model: ModelInfo
    protocol: Protocol
    strata: tuple[int, ...]
    seed: int
    masks: Masks
    losses: dict[int, Losses]  # by row of masks; begins with what the store knew
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.cached = len(self.losses)
        self._measuring_since = time.monotonic()

    def rounds(self) -> Iterator[NDArray[np.int64]]:
        """The rows that are missing, round by round; the whole model comes first."""
        sample = len(self.masks) - 1
        bounds = [0, 1, *(1 + int(share * sample) for share in _ROUNDS)]
        for low, high in pairwise(bounds):
            rows = np.array([row for row in range(low, high) if self.lacks(row)], dtype=np.int64)
            if len(rows):
                yield rows

    def lacks(self, row: int) -> bool:
        """Whether the mask in this row has not been measured yet."""
        return row not in self.losses

    def learn(self, mask: NDArray[np.bool_], losses: Losses) -> None:
        """Takes in what somebody else has measured, if the mask is one of this run's."""
        for row in np.flatnonzero((self.masks == mask).all(axis=1)):
            self.losses[int(row)] = losses

    @property
    def dense_perplexity(self) -> float:
        return perplexity(self.losses[0])

    def progress(self) -> Progress:
        """Where the run stands; the rate counts only what this session has measured."""
        fresh = len(self.losses) - self.cached
        rate = fresh / max(time.monotonic() - self._measuring_since, 1e-9)
        left = len(self.masks) - len(self.losses)
        return Progress(
            done=len(self.losses),
            total=len(self.masks),
            cached=self.cached,
            per_second=rate,
            seconds_left=left / rate if fresh else float("nan"),
        )

    def scores(self) -> tuple[Masks, Scores, int]:
        """Masks with their scores PPL_dense / PPL, and how many masks have a loss that is not a number.

        An infinite loss is a score of 0. A NaN has no score: its mask is left out together with it, and counted.
        """
        rows = np.array(sorted(row for row in self.losses if row > 0), dtype=np.int64)
        means = np.array([self.losses[row].mean(dtype=np.float64) for row in rows])
        with np.errstate(over="ignore", invalid="ignore"):
            scores = np.exp(self.losses[0].mean(dtype=np.float64) - means)
        finite = np.isfinite(scores)
        return self.masks[rows[finite]], scores[finite], int((~finite).sum())

    def result(self, *, final: bool) -> RunResult | None:
        """Contributions and the surrogate's quality; None while there are too few scores to fit anything."""
        masks, scores, not_finite = self.scores()
        if len(scores) < FEWEST_MASKS:
            return None
        fit = cross_validate(masks, scores, self.seed)
        return RunResult(
            run=self.run,
            model=self.model,
            protocol=self.protocol,
            strata=self.strata,
            masks=len(self.masks) - 1,
            dense_perplexity=self.dense_perplexity,
            contributions=estimate(masks, scores, self.strata, self.seed, SAMPLES if final else EARLY_SAMPLES),
            surrogate=fit,
            paper_surrogate=cross_validate_as_paper(masks, scores, self.seed) if final else None,
            not_finite=not_finite,
            measured=len(self.losses) - self.cached,
            cached=self.cached,
            seconds=time.monotonic() - self.started,
        )
