"""The measuring of one run: rounds of coalitions, each stored before it is counted, and estimates as they sharpen."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from core.attribution.stability import stability
from core.coalitions.measurements import FEWEST_MASKS
from core.errors import EvaluationError
from core.evaluate import precision
from core.evaluate.game import Game
from core.evaluate.reference import check_finite
from core.records.events import Estimated, Event, Stage
from core.records.results import Precision, RunResult
from core.records.storage import Store
from core.run.estimate import early_result, final_result
from core.run.tally import Tally
from core.sampling.adaptive import next_round
from core.surrogate.diagnose import diagnose
from core.surrogate.validation import compare


@dataclass
class Measuring:
    """A claimed run: what is missing of `tally` is measured in `game` and kept in `store`."""

    store: Store
    game: Game
    tally: Tally

    def __post_init__(self) -> None:
        self._early: tuple[int, RunResult | None] = 0, None  # of how many losses

    def events(self) -> Generator[Event, None, RunResult]:
        """Progress and estimates; the last one is returned, and stored as finished.

        Raises:
            EvaluationError: too few losses are numbers.
        """
        tally = self.tally
        yield tally.progress()
        _check_dense(self.game, tally)
        for rows in self._rounds():
            for batch in self.game.evaluator.batches(tally.masks[rows]):
                tally.losses.update((int(rows[index]), losses) for index, losses in batch)
                yield tally.progress()
            _check_dense(self.game, tally)
            early = self._so_far()
            if early is not None:
                self.store.save(early, "running")
                yield Estimated(early)
        sixteen = yield from self._precision()
        measured = tally.measurements()
        if len(measured) < FEWEST_MASKS:
            _too_few(self.game, tally, len(measured))
        yield Stage("Comparing surrogates")
        compared = compare(measured, tally.spec.seed)
        self.store.save_diagnostics(tally.run, diagnose(measured, compared, tally.spec.seed))
        yield Stage("Estimating contributions")
        result = final_result(tally, compared, sixteen)
        self.store.save(result, "finished")
        return result

    def _rounds(self) -> Iterator[NDArray[np.int64]]:
        """Rows to measure: of the masks that the run begins with, and of those that an adaptive one adds."""
        tally = self.tally
        yield from tally.rounds()
        while left := tally.total - len(tally.masks):
            found = self._so_far()
            if found is None or stability(found).more == 0:
                return
            fresh = next_round(tally.measurements(), tally.masks, tally.strata, tally.spec, left)
            if not len(fresh):
                return
            tally.add(fresh)
            yield from tally.missing(0)

    def _so_far(self) -> RunResult | None:
        """The result so far; asked for again before anything new is known, the same one."""
        if self._early[0] != len(self.tally.losses):
            self._early = len(self.tally.losses), early_result(self.tally)
        return self._early[1]

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


def _check_dense(game: Game, tally: Tally) -> None:
    """Without the whole model's loss, which is measured first, no coalition has a score."""
    if not tally.lacks(0):
        check_finite(game.loaded, game.windows.ids, tally.masks[0], tally.losses[0])
        if not np.isfinite(tally.dense_perplexity):
            raise EvaluationError(
                f"The whole model's loss is {tally.losses[0].mean():.4g} nats a token: it predicts nothing here.",
                "Check that config.json, the weights and the tokenizer are of one model.",
            )


def _too_few(game: Game, tally: Tally, usable: int) -> NoReturn:
    """Says how many masks have no loss, and where the first one comes from."""
    counted = f"Only {usable} of {len(tally.masks) - 1} masks have a loss that is a number."
    bad = [row for row in sorted(tally.losses) if not np.isfinite(tally.losses[row]).all()]
    try:
        for row in bad[:1]:
            check_finite(game.loaded, game.windows.ids, tally.masks[row], tally.losses[row])
    except EvaluationError as cause:
        raise EvaluationError(
            f"{counted} {cause.message}", f"Use more masks, or protect layers. {cause.hint}"
        ) from cause
    raise EvaluationError(counted, "Use more masks.")
