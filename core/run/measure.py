"""The coalitions of one run: rounds of them, each stored before it is counted, and estimates as they sharpen."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from core.attribution.stability import stability
from core.coalitions.masks import Masks
from core.errors import EvaluationError
from core.evaluate.cached import Rows
from core.evaluate.game import Game
from core.evaluate.reference import check_finite
from core.records.events import Estimated, Event
from core.records.fits import Learnt
from core.records.results import RunResult
from core.records.storage import Store
from core.run.estimate import early_result
from core.run.outlook import Outlook
from core.run.tally import Tally
from core.sampling.adaptive import next_round

# Contributions are estimated anew after each of so many parts of the coalitions, and after each round, unless that has
# taken more than this share of the run's time by then: coalitions of a small model on a fast machine take less.
_PARTS, _AT_MOST = 10, 0.05
# What an estimate has learnt serves the next ones, until so many times as many coalitions are known.
_RELEARN = 4


class Measures(Interface):
    """Gives losses that are stored already: of this process's own model, or of replicas elsewhere."""

    def batches(self, masks: Masks) -> Iterator[Rows]: ...


@dataclass
class Measuring:
    """A claimed run: what is missing of `tally` is measured in `game` by `evaluator` and kept in `store`."""

    store: Store
    game: Game
    tally: Tally
    outlook: Outlook
    evaluator: Measures

    def __post_init__(self) -> None:
        self._early: tuple[int, RunResult | None] = 0, None  # of how many losses
        self._learnt: tuple[int, Learnt | None] = 0, None  # from how many
        self._took = 0.0  # seconds, by all estimates

    def events(self) -> Iterator[Event]:
        """Progress and estimates until every coalition is measured.

        Raises:
            EvaluationError: the whole model predicts nothing.
        """
        tally = self.tally
        yield self.outlook.progress("coalitions")
        self._check_dense()
        for rows in self._rounds():
            for batch in self.evaluator.batches(tally.masks[rows]):
                tally.losses.update((int(rows[index]), losses) for index, losses in batch)
                yield self.outlook.progress("coalitions")
                if self._is_due():
                    yield from self._told(self._sharpened())
            self._check_dense()
            if len(tally.losses) < tally.total:
                yield from self._told(self._sharpened())

    def _rounds(self) -> Iterator[NDArray[np.int64]]:
        """Rows to measure: of the masks that the run begins with, and of those that an adaptive one adds."""
        tally = self.tally
        yield from tally.rounds()
        while left := tally.total - len(tally.masks):
            found = self._settled()
            if found is None or stability(found).more == 0:
                return
            fresh = next_round(tally.measurements(), tally.masks, tally.strata, tally.spec, left)
            if not len(fresh):
                return
            tally.add(fresh)
            yield from tally.missing(0)

    def _settled(self) -> RunResult | None:
        """The result so far by hyperparameters of its own: the end of an adaptive run depends on nothing else."""
        found = early_result(self.tally)
        return found[0] if found is not None else None

    def _is_due(self) -> bool:
        """Whether another tenth of the coalitions is there, and estimating costs little beside measuring."""
        known, total = len(self.tally.losses), self.tally.total
        if known * _PARTS // total == self._early[0] * _PARTS // total or known == total:
            return False
        return self._took <= _AT_MOST * (time.monotonic() - self.tally.started)

    def _sharpened(self) -> RunResult | None:
        """The result so far; asked for again before anything new is known, the same one."""
        known, begun = len(self.tally.losses), time.monotonic()
        if self._early[0] == known:
            return self._early[1]
        learnt = self._learnt[1] if known < _RELEARN * self._learnt[0] else None
        found = early_result(self.tally, learnt)
        self._early = known, found[0] if found is not None else None
        if found is not None and learnt is None:
            self._learnt = known, found[1]
        took = time.monotonic() - begun
        self._took += took
        self.outlook.fitted(took if found is not None else math.nan)
        return self._early[1]

    def _told(self, early: RunResult | None) -> Iterator[Event]:
        if early is not None:
            self.store.save(early, "running")
            yield Estimated(early)

    def _check_dense(self) -> None:
        """Without the whole model's loss, which is measured first, no coalition has a score."""
        tally = self.tally
        if not tally.lacks(0):
            check_finite(self.game.loaded, self.game.windows.ids, tally.masks[0], tally.losses[0])
            if not np.isfinite(tally.dense_perplexity):
                raise EvaluationError(
                    f"The whole model's loss is {tally.losses[0].mean():.4g} nats a token: it predicts nothing here.",
                    "Check that config.json, the weights and the tokenizer are of one model.",
                )
