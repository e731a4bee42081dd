"""The text that a training asks for: the run's own calibration part, another one, or instructions."""

from collections.abc import Callable, Generator

from core.evaluate.game import Games
from core.healing.examples import Material, of_windows
from core.healing.instructions import of_instructions
from core.records.events import Event
from core.records.mends import Heal
from core.records.spec import RunSpec, TextSpec
from core.text.corpora import is_local


def material_of(
    games: Games, spec: RunSpec, own: TextSpec, check: Callable[[tuple[str, ...]], object], heal: Heal, fitted: int
) -> Generator[Event, None, Material]:
    """What to train on, and what is held out.

    Args:
        spec: names the model and the run's text.
        own: all windows of that text which no evaluation reads, in an order that was drawn.
        check: as of `Games.open`.
        heal: names another text, or instructions.
        fitted: of the own windows, so many first ones have a compensation fitted on them.

    Raises:
        CorpusError: and whatever `Games.open` raises.
    """
    if heal.instructions:
        loaded = yield from games.model(spec, check)
        embedded = loaded.model.config.get_text_config().vocab_size
        return of_instructions(heal.instructions, loaded.checkpoint.tokenizer, embedded, loaded.info.source, heal)
    text = own
    if heal.corpus and heal.corpus != spec.corpus:  # of the run's own, one half is judged on
        split = "whole" if is_local(heal.corpus) else "calibration"
        text = TextSpec(heal.corpus, split, own.window, bos=own.bos, seed=own.seed)
    game = yield from games.open(spec, text, check)
    return of_windows(game.windows, heal, fitted if text == own else 0)
