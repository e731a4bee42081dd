"""What a run has measured so far, and what follows from it."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from core.attribution.named_values import interactions_of
from core.attribution.stability import stability
from core.attribution.stratified import EARLY_SAMPLES, SAMPLES, estimate
from core.coalitions.masks import Masks
from core.coalitions.measurements import FEWEST_MASKS, Measurements
from core.evaluate.perplexity import perplexity
from core.records.events import Progress
from core.records.results import Precision, RunResult
from core.records.spec import Losses, ModelInfo, Protocol, RunSpec
from core.sampling.adaptive import propose
from core.sampling.samplers import rounds, wanted
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit
from core.surrogate.validation import Validation, of_process

# Of an adaptive run's budget, what one round of proposals takes; and the fewest masks that are worth a fit.
_PROPOSED, _SMALLEST_ROUND = 0.1, 10


@dataclass
class Tally:
    """The coalitions of one run, `masks` (1 + masks, layers) with the full coalition first, and the known losses."""

    run: str
    model: ModelInfo
    protocol: Protocol
    strata: tuple[int, ...]
    spec: RunSpec
    masks: Masks  # an adaptive run adds to them
    known: Callable[[Masks], dict[int, Losses]]  # what the store knows, by row of the masks that it is given
    layer_parameters: tuple[int, ...]
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.losses = self.known(self.masks)  # by row of masks
        self.cached = len(self.losses)
        self.total = wanted(self.spec, self.masks)
        self._measuring_since = time.monotonic()
        self._lowest: dict[int, float] = {}
        self._ranked = 0  # losses that these are the lowest of
        self._early: tuple[int, RunResult | None] | None = None

    def rounds(self) -> Iterator[NDArray[np.int64]]:
        """The rows that are missing, round by round; the whole model comes first."""
        for low, high in pairwise(rounds(len(self.masks) - 1)):
            yield from self._missing(low, high)
        while self._propose():
            yield from self._missing(0, len(self.masks))

    def _missing(self, low: int, high: int) -> Iterator[NDArray[np.int64]]:
        rows = np.array([row for row in range(low, high) if self.lacks(row)], dtype=np.int64)
        if len(rows):
            yield rows

    def _propose(self) -> bool:
        """Adds the next round's masks, the same ones whenever the run is resumed; False when there are none."""
        left = self.total - len(self.masks)
        result = self.early() if left else None
        if result is None or stability(result).more == 0:
            return False
        count = min(left, max(_SMALLEST_ROUND, int(self.spec.masks * _PROPOSED)))
        proposed = propose(self.measurements(), self.strata, count, self.spec.seed)
        fresh = [mask for mask in proposed if not (self.masks == mask).all(axis=1).any()]
        if not fresh:
            return False
        before = len(self.masks)
        self.masks = np.concatenate([self.masks, fresh])
        found = {before + row: losses for row, losses in self.known(np.array(fresh)).items()}
        self.losses |= found
        self.cached += len(found)
        return True

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
        left = self.total - len(self.losses)
        return Progress(
            done=len(self.losses),
            total=self.total,
            cached=self.cached,
            per_second=rate,
            seconds_left=left / rate if fresh else float("nan"),
            best=self._best(),
        )

    def _best(self) -> tuple[tuple[int, float], ...]:
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

    def early(self) -> RunResult | None:
        """The result so far; asked for again before anything new is known, the same one."""
        if self._early is None or self._early[0] != len(self.losses):
            self._early = len(self.losses), self.result()
        return self._early[1]

    def result(self, compared: Validation | None = None, precision: Precision | None = None) -> RunResult | None:
        """Contributions and the surrogate's quality; None while there are too few scores to fit anything.

        Args:
            compared: what all masks say of the surrogates; None while the run goes on.
            precision: what 16 bits cost, at the end.
        """
        measured = self.measurements()
        if len(measured) < FEWEST_MASKS:
            return None
        if compared is not None:
            log, quality, others = compared.log, compared.best, compared.others
            ranges = bands(measured.masks, compared.residuals, self.spec.seed)
        else:
            log, quality, others, ranges = True, of_process(measured, True, self.spec.seed), (), ()
        final = compared is not None
        surrogate, other = (fit(measured, log=kind) for kind in (log, not log))
        if final:
            surrogate, other = (item.with_halves(self.spec.seed) for item in (surrogate, other))
        on_log = (surrogate, quality) if log else (other, others[0])
        return RunResult(
            run=self.run,
            model=self.model,
            protocol=self.protocol,
            strata=self.strata,
            masks=(len(self.masks) if final else self.total) - 1,
            dense_perplexity=self.dense_perplexity,
            contributions=estimate(surrogate, other, self.strata, self.spec.seed, SAMPLES if final else EARLY_SAMPLES),
            surrogate=quality,
            others=others,
            not_finite=len(self.losses) - 1 - len(measured),
            measured=len(self.losses) - self.cached,
            cached=self.cached,
            seconds=time.monotonic() - self.started,
            precision=precision,
            interactions=interactions_of(*on_log, "local", self.spec.seed) if final else None,
            bands=ranges,
            layer_parameters=self.layer_parameters,
            learnt=(surrogate.learnt, other.learnt) if final else (),
        )
