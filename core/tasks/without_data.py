"""What plans are asked that needs no data: what they predict of text that no run measures, and a few small sums."""

from collections.abc import Generator, Sequence

from core.errors import QuorumError
from core.evaluate.game import Games
from core.records.behaviour.task_scores import SUMS, SUMS_OF_A_PLAN, SUMS_TOKENS
from core.records.events import Event, Progress, Searching, Stage
from core.records.spec import RunSpec
from core.records.storage import Store
from core.tasks.answering import Questions, answered
from core.writing.predicting import predicting

# Evaluations a plan, by the measurement of SUMS_TOKENS: all logits are compared, and the whole model has its turns.
_OF_TEXT = 2.0


def asking_without_data(
    store: Store, games: Games, spec: RunSpec, removals: Sequence[tuple[int, ...]]
) -> Generator[Event, None, None]:
    """Asks models without some players; whatever is found is kept, and nothing that is known is asked again.

    A plan's predictions are of as many windows as the run has. A model without numbers is asked no further sums, and
    is no error.

    Args:
        store: keeps what is found, and is asked first.
        games: opens the model, and the text.
        spec: of a run.
        removals: places of players to switch off; the whole model does the sums, too.

    Raises:
        QuorumError: predictions cannot be asked, as on a text that has no other half, once the sums were; or the sums
            cannot.
    """
    refused, text = None, _share_of_text(spec)
    try:
        for event in predicting(store, games, spec, removals, spec.sequences):
            yield Searching(text * event.share) if isinstance(event, Searching) else event
    except QuorumError as error:
        refused = error
    yield Stage("Asking every plan small sums")
    questions = Questions((SUMS,), limit=SUMS_OF_A_PLAN)
    try:
        for event in answered(store, games, spec, questions, [(), *removals], spare=True):
            done = event.done / event.total if isinstance(event, Progress) else 0.0
            yield Searching(text + (1 - text) * done) if isinstance(event, Progress) else event
    except QuorumError as error:
        if refused is None:
            raise
        raise refused from error
    if refused is not None:
        raise refused


def evaluations(tokens: int) -> float:
    """What all of it takes for a plan, in evaluations of the plan on so many tokens, those of the run."""
    return _OF_TEXT + SUMS_TOKENS / tokens


def _share_of_text(spec: RunSpec) -> float:
    return _OF_TEXT / evaluations(spec.sequences * spec.window)
