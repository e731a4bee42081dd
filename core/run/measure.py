"""The measuring of one run: rounds of coalitions, each stored before it is counted, and estimates as they sharpen."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import encode
from core.coalitions.measurements import FEWEST_MASKS
from core.errors import EvaluationError
from core.evaluate import precision
from core.evaluate.game import Game
from core.records.events import Estimated, Event, Stage
from core.records.results import Precision, RunResult
from core.records.spec import Losses
from core.records.storage import Store
from core.run.tally import Tally
from core.surrogate.diagnose import diagnose
from core.surrogate.validation import compare

_FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class Measuring:
    """A claimed run: what is missing of `tally` is measured in `game` and kept in `store`."""

    store: Store
    game: Game
    tally: Tally

    def events(self) -> Generator[Event, None, RunResult]:
        """Progress and estimates; the last one is returned, and stored as finished.

        Raises:
            EvaluationError: too few losses are numbers.
        """
        tally = self.tally
        yield tally.progress()
        _check_dense(tally)
        for rows in tally.rounds():
            for _ in self._stored(rows):
                yield tally.progress()
            yield tally.progress()
            _check_dense(tally)
            early = tally.early()
            if early is not None:
                self.store.save(early, "running")
                yield Estimated(early)
        sixteen = yield from self._precision()
        measured = tally.measurements()
        if len(measured) < FEWEST_MASKS:
            raise EvaluationError(
                f"Only {len(measured)} of {len(tally.masks) - 1} masks have a loss that is a number.",
                "Use more masks; if losses are NaN, try --dtype float32.",
            )
        yield Stage("Comparing surrogates")
        compared = compare(measured, tally.spec.seed)
        self.store.save_diagnostics(tally.run, diagnose(measured, compared, tally.spec.seed))
        yield Stage("Estimating contributions")
        result = tally.result(compared, sixteen)
        assert result is not None  # there are enough masks
        self.store.save(result, "finished")
        return result

    def _precision(self) -> Generator[Event, None, Precision | None]:
        """What 16 bits cost, measured once for a game."""
        game, tally = self.game, self.tally
        known = self.store.precision(game.key)
        if known is not None or not precision.comparable(game.loaded):
            return known
        yield Stage(f"Comparing {game.loaded.info.dtype} with float32")
        game.release()  # so that the float32 model fits into the memory that measuring took
        found = precision.compare(game.loaded, game.windows.ids, tally.masks, tally.losses)
        if found is not None:
            self.store.save_precision(game.key, found)
        return found

    def _stored(self, rows: NDArray[np.int64]) -> Iterator[None]:
        """Evaluates rows of the tally, and yields each time that what was measured has been stored."""
        tally, unstored = self.tally, list[tuple[int, Losses]]()
        stored_at = time.monotonic()
        try:
            masks = tally.masks[rows]
            for index, losses in self.game.evaluator.losses(masks, wanted=lambda index: tally.lacks(int(rows[index]))):
                unstored.append((int(rows[index]), losses))
                if time.monotonic() - stored_at > _FLUSH_SECONDS:
                    self._store_all(unstored)
                    yield
                    stored_at = time.monotonic()
        finally:
            self._store_all(unstored)

    def _store_all(self, unstored: list[tuple[int, Losses]]) -> None:
        """Stores evaluations first and counts them second: what is counted is never lost."""
        if unstored:
            self.store.record(self.game.key, [(encode(self.tally.masks[row]), losses) for row, losses in unstored])
            self.tally.losses.update(unstored)
            unstored.clear()


def _check_dense(tally: Tally) -> None:
    """Without the whole model's loss, which is measured first, no coalition has a score."""
    if not tally.lacks(0) and not np.isfinite(tally.dense_perplexity):
        raise EvaluationError("The whole model's loss is not a number on this text.", "Try --dtype float32.")
