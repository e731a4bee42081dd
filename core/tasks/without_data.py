"""What plans are asked that needs no data: what they predict of text that no run measures, and a few small sums."""

from collections.abc import Generator, Sequence

from core.errors import QuorumError
from core.evaluate.game import Games
from core.records.behaviour.task_scores import SUMS, SUMS_OF_A_PLAN
from core.records.events import Event, Progress, Searching, Stage
from core.records.spec import RunSpec
from core.records.storage import Store
from core.tasks.answering import Questions, answered
from core.writing.predicting import predicting

_OF_TEXT = 0.5  # of the work: an evaluation a plan, as the sums are


def asking_without_data(
    store: Store, games: Games, spec: RunSpec, removals: Sequence[tuple[int, ...]]
) -> Generator[Event, None, None]:
    """Asks models without some players; whatever is found is kept, and nothing that is known is asked again.

    Predictions cost one evaluation of as many windows as the run has, and sums about another. A model without numbers
    is asked no sums, and is no error.

    Args:
        store: keeps what is found, and is asked first.
        games: opens the model, and the text.
        spec: of a run.
        removals: places of players to switch off; the whole model does the sums, too.

    Raises:
        QuorumError: one of the two cannot be asked, as predictions on a text that has no other half; the other was.
    """
    refused = None
    try:
        for event in predicting(store, games, spec, removals, spec.sequences):
            yield Searching(_OF_TEXT * event.share) if isinstance(event, Searching) else event
    except QuorumError as error:
        refused = error
    yield Stage("Asking every plan small sums")
    questions = Questions((SUMS,), limit=SUMS_OF_A_PLAN)
    for event in answered(store, games, spec, questions, [(), *removals], spare=True):
        share = event.done / event.total if isinstance(event, Progress) else 0.0
        yield Searching(_OF_TEXT + (1 - _OF_TEXT) * share) if isinstance(event, Progress) else event
    if refused is not None:
        raise refused
