"""What a run does once its coalitions are measured: it ends with contributions, plans, and how far both can be trusted.

Contributions finish it: from there on it is a finished run, whatever becomes of the rest. The search follows, and what
nobody waits for comes last: what its plans predict of unseen text and how they do small sums, what 16 bits cost, and
how other surrogates compare.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NoReturn

import numpy as np

from core.coalitions.measurements import FEWEST_MASKS, Measurements
from core.errors import EvaluationError, QuorumError
from core.evaluate import precision
from core.evaluate.game import Game
from core.evaluate.reference import check_finite
from core.pauses import Pause
from core.records.events import Estimated, Event, Planned, Progress, Searching, Stage
from core.records.plans import Selection
from core.records.results import Precision, RunResult
from core.records.storage import Store
from core.run.estimate import final_result
from core.run.outlook import Outlook
from core.run.remaining import Part
from core.run.tally import Tally
from core.surrogate.diagnose import TOTAL_COST, diagnosing
from core.surrogate.validation import Validation, validated, with_rivals

Search = Callable[[], Generator[Event, None, Selection]]
Predict = Callable[[Callable[[Event], Event]], Iterator[Event]]


@dataclass
class Closing:
    """A claimed run whose coalitions are measured."""

    store: Store
    game: Game
    tally: Tally
    outlook: Outlook
    search: Search | None  # None: it is not asked for, or made already
    predict: Predict | None  # of its plans, what needs no data; None: no search is asked for
    between: Pause
    finished: RunResult | None = None  # once it is stored as that
    shares: dict[Part, float] = field(default_factory=dict)  # of other work, that are done

    def events(self) -> Generator[Event, None, RunResult]:
        """Progress, and what is found on the way; the result is returned, and stored as finished.

        Raises:
            EvaluationError: too few losses are numbers.
        """
        measured, seed = self.tally.measurements(), self.tally.spec.seed
        if len(measured) < FEWEST_MASKS:
            _too_few(self.game, self.tally, len(measured))
        yield self.outlook.progress("fit")
        found = validated(measured, seed, self.between)
        known = self.store.precision(self.game.key)
        result = self._settle(final_result(self.tally, found, known))
        yield Estimated(result)
        if self.search is not None:
            yield from self._planned(self.search)
        if self.predict is not None:
            yield from self.predict(partial(self._as_part, "predictions"))
        sixteen = known or (yield from self._precision())
        every = yield from self._compared(measured, found)
        return self._settle(replace(result, others=every.others, precision=sixteen))

    def _settle(self, result: RunResult) -> RunResult:
        self.store.save(result, "finished")
        self.finished = result
        return result

    def _planned(self, search: Search) -> Iterator[Event]:
        """The search; a run whose search fails has its contributions all the same, and says why it has no plans."""
        yield self.outlook.progress("search")
        self.game.release()  # the search has its own packed weights and hidden states
        try:
            found = yield from self._searched(search())
        except QuorumError as error:
            yield Stage(f"There are no plans: {error.message}")
            return
        yield Planned(tuple(plan.count for plan in found.plans))

    def _searched(self, events: Generator[Event, None, Selection]) -> Generator[Event, None, Selection]:
        """The events of a search as progress of the run."""
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                found: Selection = end.value
                return found
            yield self._as_part("search", event)

    def _as_part(self, part: Part, event: Event) -> Event:
        """What is told of the run where other work, which is a part of it, tells of itself."""
        if isinstance(event, Searching):
            self.shares[part] = event.share
        return (
            self.outlook.progress(part, self.shares.get(part, 0.0)) if isinstance(event, Searching | Stage) else event
        )

    def _precision(self) -> Generator[Progress, None, Precision | None]:
        """What 16 bits cost, measured once for a game."""
        game, tally = self.game, self.tally
        if not precision.comparable(game.loaded):
            return None
        yield self.outlook.progress("precision")
        game.release()  # so that the float32 model fits into the memory that measuring took
        found = precision.compare(game.loaded, game.windows.ids, tally.masks, tally.losses, self.between)
        if found is not None:
            self.store.save_precision(game.key, found)
        return found

    def _compared(self, measured: Measurements, found: Validation) -> Generator[Progress, None, Validation]:
        """The surrogates side by side, and how far they can be trusted."""

        def comparing() -> Generator[float, None, Validation]:
            every = yield from with_rivals(found, measured, seed, self.between)
            diagnostics = yield from diagnosing(measured, every, seed, self.between)
            self.store.save_diagnostics(self.tally.run, diagnostics)
            return every

        seed, spent, steps = self.tally.spec.seed, 0.0, comparing()
        while True:
            yield self.outlook.progress("surrogates", spent / TOTAL_COST)
            try:
                spent += next(steps)
            except StopIteration as end:
                every: Validation = end.value
                return every


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
