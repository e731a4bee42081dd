"""The windows of a run's own text that judge what is compensated, and those of the fits.

They are drawn in one order: those on which the run has judged come first, and the fits take the next ones, so that
nothing judges that was fitted on.
"""

from collections.abc import Generator
from dataclasses import replace

import torch

from core.errors import CorpusError, EvaluationError
from core.evaluate.game import Games
from core.records.events import Event
from core.records.mends import LEAST
from core.records.spec import RunSpec, TextProtocol
from core.text.windows import Windows, fingerprint


def judged_and_fitted(
    games: Games, spec: RunSpec, windows: int, judging: TextProtocol, *, exactly: bool
) -> Generator[Event, None, tuple[Windows, Windows]]:
    """The windows that have judged, and so many others; of a short text fewer, unless exactly so many are asked for.

    Raises:
        EvaluationError: the text is no longer what has judged.
        CorpusError: it has too few windows.
    """
    ids, wanted = yield from own_windows(games, spec, windows, judging.sequences, exactly=exactly)
    if fingerprint(ids[: judging.sequences].clone()) != judging.tokens:
        raise EvaluationError("The text has changed since this run measured it.", "Start a new run.")
    own = ids[judging.sequences : judging.sequences + wanted].clone()
    fitted = replace(judging, sequences=len(own), tokens=fingerprint(own))
    return Windows(ids[: judging.sequences], judging), Windows(own, fitted)


def own_windows(
    games: Games, spec: RunSpec, windows: int, judging: int, *, exactly: bool
) -> Generator[Event, None, tuple[torch.Tensor, int]]:
    """The first windows of a run's draw, and how many after those that judge a fit takes; of a short text, fewer."""
    text = spec.text()
    try:
        game = yield from games.open(spec, replace(text, sequences=judging + windows), check=lambda _: None)
        return game.windows.ids, windows
    except CorpusError:
        if exactly:
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
