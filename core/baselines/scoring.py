"""Scoring every player by the literature's one-shot criteria, on a run's model and text."""

from collections.abc import Callable, Generator

from core.baselines import criteria
from core.coalitions.measurements import Floats
from core.coalitions.players import are_halves, spans
from core.evaluate.game import Game
from core.model.similarity import similarity
from core.records.events import Event, Stage
from core.records.plans import Scores
from core.records.storage import Store
from core.selection.plan import metered


def score(store: Store, game: Game, run: str, between: Callable[[], None]) -> Generator[Event, None, Scores]:
    """Scores by shortgpt, one-shot, taylor and magnitude, kept for a run with what they measure.

    Without shortgpt where halves play, and without the last two where weights are no plain numbers in memory.

    Args:
        store: may know the losses without each player.
        game: the run's.
        run: its name.
        between: called after each coalition, and may raise to end it.
    """
    loaded, ids = game.loaded, game.windows.ids
    found: dict[str, Floats] = {}
    if not are_halves(loaded.info.players):  # hidden states are compared between blocks
        yield Stage("One forward, for block influence")
        found["shortgpt"] = criteria.block_influence(similarity(loaded, ids), spans(loaded.info.players))
    yield Stage("Each layer alone removed, for one-shot perplexity")
    meter = metered(store, game, (len(ids),), between=between)
    found["one-shot"] = criteria.one_shot(meter, len(ids))
    if criteria.has_plain_weights(loaded):
        yield Stage("Gradients of all weights, for Taylor")
        found["taylor"] = criteria.taylor(loaded, ids)
        between()
        found["magnitude"] = criteria.magnitude(loaded)
    by_method = {method: tuple(map(float, scores)) for method, scores in found.items()}
    scores = Scores(game.windows.protocol, by_method)
    store.save_scores(run, scores)
    return scores
