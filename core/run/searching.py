"""The search of a run, on its own windows and further ones of the same text; what it finds is kept for the run."""

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from core.errors import CorpusError, QuorumError, SelectionError
from core.evaluate.cached import Evaluators, cached
from core.evaluate.game import Game, Games
from core.pauses import Pause
from core.records.events import Event, Searching, Stage
from core.records.plans import Selection
from core.records.spec import RunSpec
from core.records.storage import Store
from core.selection.plan import further, keep_measured, plan
from core.selection.targets import Request, Target
from core.tasks.without_data import asking_without_data

# What every run ends with: a third of what SLEB takes finds plans that one sweep over the counts would miss, and takes
# a third of the time that a run of 300 coalitions does.
OF_A_RUN = Request(1 / 3)


def left_to_search(store: Store, run: str, players: int) -> Request | None:
    """What a run of so many players still has to search for: nothing, if that was done, or if none can be removed."""
    try:
        request = OF_A_RUN.reaching(Target(), players)
    except SelectionError:
        return None
    return request.after(store.selection(run, ()))


def searching(
    store: Store,
    games: Games,
    base: Game,
    run: str,
    spec: RunSpec,
    request: Request,
    between: Pause,
    evaluators: Evaluators = cached,
) -> Generator[Event, None, Selection]:
    """Searches for a run whose game is `base`: races on its windows, and settles finalists on wider ones, if any.

    What it proposes is then measured on the run's own windows, as everything that stands beside it was. `evaluators`
    make what measures.

    Raises:
        QuorumError: what has been measured is kept.
    """
    wider = base
    with suppress(CorpusError):  # a short text has no further windows
        wider = yield from games.open(spec, further(spec.text(), request.units), check=lambda _: None)
    found = yield from plan(store, base, wider, request, spec.seed, between, evaluators)
    if wider is not base:
        yield Stage("Measuring the plans on the run's text")
        keep_measured(store, base, [one.removed for one in found.plans], between, evaluators)
    store.save_selection(run, found)  # last: how many can go is known with what is measured
    return found


def done(event: Event) -> Event:
    """What comes after a search takes nothing away from what that has said it has done."""
    return Searching(1.0) if isinstance(event, Searching) else event


def predicting_plans(
    store: Store, games: Games, spec: RunSpec, found: Selection, tell: Callable[[Event], Event] = done
) -> Iterator[Event]:
    """What the plans of a search predict of text that none has seen, and how they do small sums; it is kept.

    Of those of which it is not known yet. Where that cannot be, as on a text that has no other half, it is said, and is
    no error: the plans stand.

    Args:
        store: keeps what is found, and is asked first.
        games: opens the model, and the text.
        spec: of the run.
        found: by its search.
        tell: makes of an event on the way what is told.
    """
    try:
        for event in asking_without_data(store, games, spec, [one.removed for one in found.plans]):
            yield tell(event)
    except QuorumError as error:
        yield Stage(f"Not all that needs no data is known of the plans: {error.message}")
