"""The text that a training asks for: the run's own calibration part, another one, or instructions."""

from collections.abc import Callable, Generator

from core.errors import CorpusError, HealingError
from core.evaluate.game import Games
from core.healing.examples import Material, of_windows
from core.healing.instructions import of_instructions
from core.paths import user_path
from core.records.events import Event
from core.records.mends import WARMEST, Heal
from core.records.spec import RunSpec, TextSpec
from core.text.corpora import EMBEDDED, is_local
from core.text.self_written.prompt_file import is_self_written


def check_asked(heal: Heal) -> None:
    """What of a request for a training can be refused before anything is read.

    Raises:
        HealingError: numbers that no training can have.
        CorpusError: the file that it names is not there.
    """
    if not 0 <= heal.distil <= 1:
        raise HealingError(f"A share of {heal.distil:g} for distillation cannot be used.", "Give one from 0 to 1.")
    for name, value, most in (("learning rate", heal.rate, 1.0), ("temperature", heal.temperature, WARMEST)):
        if not 0 < value <= most:
            raise HealingError(f"A {name} of {value:g} cannot be used.", f"Give one above 0, and {most:g} at most.")
    name = heal.instructions or heal.corpus
    own = heal.corpus in ("", EMBEDDED) or is_self_written(heal.corpus)
    if (heal.instructions or (not own and is_local(heal.corpus))) and not user_path(name).exists():
        kind, option = ("instructions", "--instructions") if heal.instructions else ("text", "--corpus")
        raise CorpusError(
            f"There is no {kind} {name} to train on.",
            f"Name a file that is there: {option} FILE of `heal`, --training-text FILE of `export --recipe`.",
        )


def check_same(material: Material, tokens: str) -> None:
    """CorpusError for another text than that of this fingerprint, if there is one."""
    if tokens not in ("", material.tokens):
        raise CorpusError(
            f"The text to train on is another one than the recipe's, or has changed: {material.text}, of which the "
            f"fingerprint is {material.tokens}, not {tokens}.",
            "Name the text that the recipe trained on: --training-text FILE, or --corpus where it was the run's own. "
            "Or train on this one: heal RUN.",
        )


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
