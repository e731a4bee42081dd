"""A claimed run from its coalitions to its end, one part after the other, on a clock that knows its own work alone."""

from collections.abc import Iterator
from functools import partial

from core.evaluate import precision
from core.evaluate.game import Game, Games
from core.pauses import Pause
from core.records.events import Event, Finished
from core.records.results import RunResult
from core.records.storage import Store
from core.run.closing import Closing
from core.run.measure import Measuring
from core.run.outlook import Outlook
from core.run.remaining import Clock
from core.run.searching import searching
from core.run.tally import Tally
from core.selection.targets import Request


class Course:
    """The run of a tally."""

    def __init__(
        self, store: Store, games: Games, game: Game, tally: Tally, request: Request | None, between: Pause
    ) -> None:
        """`request` is what is left to search for, None if nothing is; `between` is called in every pause."""
        self._clock = Clock()

        def pause() -> None:
            with self._clock.standing():
                between()

        missing = precision.comparable(game.loaded) and store.precision(game.key) is None
        units = None if request is None else request.units
        self._outlook = Outlook(tally, game, self._clock, units=units, precision=missing)
        self._measuring = Measuring(store, game, tally, self._outlook)
        search = (
            None if request is None else partial(searching, store, games, game, tally.run, tally.spec, request, pause)
        )
        self._closing = Closing(store, game, tally, self._outlook, search, pause)

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
        yield from self._measuring.events()
        yield Finished((yield from self._closing.events()))
