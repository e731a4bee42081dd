"""A claimed run from its coalitions to its end, one part after the other, on a clock that knows its own work alone."""

from collections.abc import Iterator
from functools import partial

from core.cluster.machines import Machines
from core.cluster.spread import spread
from core.evaluate import precision
from core.evaluate.game import Game, Games
from core.pauses import Pause
from core.records.events import Event, Finished, Stage
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
        self,
        store: Store,
        games: Games,
        game: Game,
        tally: Tally,
        request: Request | None,
        between: Pause,
        machines: Machines | None,
    ) -> None:
        """`request` is what is left to search for, None if nothing is; `between` is called in every pause.

        `machines` measure the coalitions; None: this process does.
        """
        self._clock = Clock()
        self._store, self._game, self._tally, self._machines = store, game, tally, machines

        def pause() -> None:
            with self._clock.standing():
                between()

        missing = precision.comparable(game.loaded) and store.precision(game.key) is None
        units = None if request is None else request.units
        self._outlook = Outlook(tally, game, self._clock, units=units, precision=missing)
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
        yield from self._measured()
        yield Finished((yield from self._closing.events()))

    def _measured(self) -> Iterator[Event]:
        """The coalitions, all stored; workers have gone by the end, and leave their room to what follows."""
        measuring = partial(Measuring, self._store, self._game, self._tally, self._outlook)
        if self._machines is None:
            yield from measuring(self._game.evaluator).events()
            return
        if len(self._tally.losses) < self._tally.total:
            yield Stage("Starting workers")
        with spread(self._game, self._tally.spec.model, self._machines) as replicas:
            yield from measuring(replicas).events()
