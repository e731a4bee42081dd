"""A claimed run from its coalitions to its end, one part after the other, on a clock that knows its own work alone."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial

from core.cluster.kept import Kept, kept_by
from core.cluster.spread import Spread
from core.evaluate import precision
from core.evaluate.game import Game, Games
from core.pauses import Pause
from core.records.events import Event, Finished, Stage
from core.records.plans import Selection
from core.records.results import RunResult
from core.records.storage import Store
from core.run.closing import Closing
from core.run.measure import Measuring
from core.run.outlook import Outlook
from core.run.remaining import Clock, Part
from core.run.searching import predicting_plans, searching
from core.run.tally import Tally
from core.selection.targets import Request


class Course:
    """The run of a tally."""

    def __init__(
        self,
        store: Store,
        games: Games,
        game: Game,
        tally: Tally,
        request: Request | None,
        between: Pause,
        spread: Spread | None,
        *,
        predicted: bool,
    ) -> None:
        """`request` is what is left to search for, None if nothing is; `between` is called in every pause.

        `spread` measures the coalitions, also those of the search; None: this process does. `predicted`: whether what
        the plans of a search predict is asked for, of this one's or of an earlier one's.
        """
        self._clock = Clock()
        self._store, self._game, self._tally, self._spread = store, game, tally, spread

        def pause() -> None:
            with self._clock.standing():
                between()

        missing = precision.comparable(game.loaded) and store.precision(game.key) is None
        units = None if request is None else request.units
        told = {} if self._spread is None else {"workers": self._spread.workers}
        wanted: dict[Part, bool] = {"predictions": predicted, "precision": missing}
        self._outlook = Outlook(tally, game, self._clock, units=units, wanted=wanted, **told)
        search = None if request is None else partial(self._searching, games, request, pause)
        predict = partial(self._predicting, games) if predicted else None
        self._closing = Closing(store, game, tally, self._outlook, search, predict, pause)

    @property
    def finished(self) -> RunResult | None:
        """What the run has found, once that is stored as finished; what follows may fail or be cancelled."""
        return self._closing.finished

    def events(self) -> Iterator[Event]:
        """All of the run's events from here on.

        Raises:
            EvaluationError: too few losses are numbers.
        """
        for event in self._steps():
            with self._clock.standing():
                yield event

    def _steps(self) -> Iterator[Event]:
        yield from self._measured()
        if self._closing.search is None:
            self._dismiss()
        yield Finished((yield from self._closing.events()))

    def _measured(self) -> Iterator[Event]:
        """The coalitions, all stored."""
        measuring = partial(Measuring, self._store, self._game, self._tally, self._outlook)
        if self._spread is None:
            yield from measuring(self._game.evaluator).events()
            return
        if len(self._tally.losses) < self._tally.total:
            yield Stage("Starting workers")
        yield from measuring(Kept(self._spread, self._game.windows.ids, self._game.ledger)).events()

    def _searching(self, games: Games, request: Request, pause: Pause) -> Generator[Event, None, Selection]:
        """The search, by the same workers; they have gone by its end, and leave their room to what follows."""
        evaluators = kept_by(self._spread, pause)
        run, spec = self._tally.run, self._tally.spec
        found = yield from searching(self._store, games, self._game, run, spec, request, pause, evaluators)
        self._dismiss()
        return found

    def _predicting(self, games: Games, tell: Callable[[Event], Event]) -> Iterator[Event]:
        """What the plans of its search predict, if there was one that found some."""
        found = self._store.selection(self._tally.run, ())
        if found is not None:
            yield from predicting_plans(self._store, games, self._tally.spec, found, tell)

    def _dismiss(self) -> None:
        if self._spread is not None:
            self._spread.close()


def alone(held: ExitStack, store: Store, game: Game) -> Iterator[Event]:
    """Waits until no other process measures this game, and keeps others from it while `held` lasts."""
    while not claimed(held, store, game.key):
        yield Stage("Another process measures this model on this text; waiting for it")
        time.sleep(0.5)


def claimed(held: ExitStack, store: Store, name: str) -> bool:
    """Whether a game or a run belongs to this process alone, for as long as `held` lasts."""
    with ExitStack() as tried:
        granted = tried.enter_context(store.claim(name))
        if granted:
            held.push(tried.pop_all())
    return granted
