"""The windows of a run's own text that judge what is compensated, and those of the fits.

They are drawn in one order: those on which the run has judged come first, and the fits take the next ones, so that
nothing judges that was fitted on.
"""

from collections.abc import Generator
from dataclasses import replace

import torch

from core.compensation.compensate import LEAST
from core.errors import CorpusError, EvaluationError
from core.evaluate.game import Games
from core.records.events import Event
from core.records.spec import RunSpec, TextProtocol
from core.run.compensating.one_removal import fitted_on
from core.text.windows import Windows, fingerprint


def judged_and_fitted(
    games: Games, spec: RunSpec, windows: int | None, judging: TextProtocol
) -> Generator[Event, None, tuple[Windows, Windows]]:
    """The windows that have judged, and so many others, or as many as are usual.

    Raises:
        EvaluationError: the text is no longer what has judged.
        CorpusError: it has too few windows.
    """
    ids, wanted = yield from own_windows(games, spec, windows, judging.sequences)
    if fingerprint(ids[: judging.sequences].clone()) != judging.tokens:
        raise EvaluationError("The text has changed since this run's plans were chosen.", "Start a new run.")
    own = ids[judging.sequences : judging.sequences + wanted].clone()
    fitted = replace(judging, sequences=len(own), tokens=fingerprint(own))
    return Windows(ids[: judging.sequences], judging), Windows(own, fitted)


def own_windows(
    games: Games, spec: RunSpec, windows: int | None, judging: int
) -> Generator[Event, None, tuple[torch.Tensor, int]]:
    """The first windows of a run's draw, and how many after those that judge a fit takes; of a short text, fewer."""
    text, wanted = spec.text(), fitted_on(spec.text(), windows).sequences
    assert wanted is not None
    try:
        game = yield from games.open(spec, replace(text, sequences=judging + wanted), check=lambda _: None)
        return game.windows.ids, wanted
    except CorpusError:
        if windows is not None:
            raise
    game = yield from games.open(spec, replace(text, sequences=None), check=lambda _: None)
    left = len(game.windows.ids) - judging
    if left < LEAST:
        raise CorpusError(
            f"{game.windows.protocol.corpus} has {len(game.windows.ids)} windows to choose and to fit on; {judging} "
            f"judge plans, and a fit takes at least {LEAST}.",
            "Start a run on a longer text, or with fewer --sequences.",
        )
    return game.windows.ids, left
