"""The text of a corpus that its model writes: sampled after prompts, once, and kept for whoever asks again.

Sampled as the model has it, at temperature 1: greedy texts of small models go round in loops, and tell little. The seed
is fixed, so that every run of a model and its prompts, and every perplexity, reads one text; the seed of a run draws
windows of it. Where the model ends a text, it goes on from the prompt anew, until there is as much after each.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch

from core.errors import CorpusError
from core.evaluate.continuing.continuations import continued, prompt_ids, written
from core.model.model import LoadedModel
from core.paths import home, write_errors
from core.records.events import Event, Stage
from core.records.spec import TextSpec
from core.text.corpora import Corpus
from core.text.self_written.prompt_file import EACH, name_of
from core.unfinished import unfinished

_SEED = 0
_STEPS = 64  # after which it is told how far the text is
_TOGETHER = 4  # prompts that are written after at a time: who is killed loses at most these
_FEWEST = 16  # positions behind a prompt, for a text that is one
_BETWEEN = "\n\n"


def own_corpus(loaded: LoadedModel, text: TextSpec, prompts: Sequence[str]) -> Generator[Event, None, Corpus]:
    """The text that a model writes after prompts, from the disk where it has written it before.

    Args:
        loaded: the model; left as found.
        text: names the corpus, and the split that is wanted of it.
        prompts: of it.

    Raises:
        CorpusError: a prompt is too long for the model, has tokens that it does not embed, or nothing is written.
        NotWritable, DiskFull: it cannot be kept.
    """
    asked = json.dumps([loaded.info.fingerprint, list(prompts), EACH, _SEED, _TOGETHER])
    folder = home() / "written" / hashlib.sha256(asked.encode()).hexdigest()[:24]
    files = {first: folder / f"{first:05d}.txt" for first in range(0, len(prompts), _TOGETHER)}
    if not all(file.is_file() for file in files.values()):
        starts = [prompt_ids(loaded, prompt) for prompt in prompts]
        room = _room(loaded, starts)
        for first, file in files.items():
            if not file.is_file():
                found = yield from _sampled(loaded, starts, range(len(starts))[first : first + _TOGETHER], room)
                with unfinished(file) as part, write_errors(file):
                    part.write_text(_joined(loaded, found), encoding="utf-8", newline="")
    with write_errors(folder):
        content = _BETWEEN.join(file.read_text(encoding="utf-8") for file in files.values())
    name = name_of(text.corpus)
    if not content.strip():
        raise CorpusError(f"{loaded.info.source} writes nothing after the prompts of {name}.", "Give other prompts.")
    return Corpus(name, text.split, content, halved=text.split != "whole", between=_BETWEEN)


def _room(loaded: LoadedModel, starts: Sequence[list[int]]) -> int:
    """Tokens that find room behind the longest prompt, up to EACH."""
    longest, positions = max(map(len, starts)), loaded.checkpoint.positions
    room = EACH if positions is None or positions <= 0 else min(EACH, positions - longest)
    if room < _FEWEST:
        raise CorpusError(
            f"A prompt has {longest} tokens, and {loaded.info.source} {positions} positions.", "Give shorter prompts."
        )
    return room


def _sampled(
    loaded: LoadedModel, starts: Sequence[list[int]], places: Sequence[int], room: int
) -> Generator[Event, None, list[list[list[int]]]]:
    """What was written after the prompts at some places: one text or more after each, of EACH tokens together."""
    everybody = np.ones(len(loaded.info.players), dtype=np.bool_)
    told = f"{loaded.info.source} writes its text: {{:,}} of {EACH * len(starts):,} tokens"
    draws = {place: torch.Generator().manual_seed(_SEED + place) for place in places}
    found: dict[int, list[list[int]]] = {place: [] for place in places}
    while missing := [place for place, texts in found.items() if sum(map(len, texts)) < EACH]:
        before = EACH * places[0] + sum(len(text) for texts in found.values() for text in texts)
        tokens = min(room, EACH - min(sum(map(len, found[place])) for place in missing))
        drawn = _drawing([draws[place] for place in missing])
        fresh: list[list[int]] = []
        for step, fresh in enumerate(continued(loaded, everybody, [starts[p] for p in missing], tokens, drawn)):
            if step % _STEPS == 0:
                yield Stage(told.format(before + sum(map(len, fresh))))
        for place, text in zip(missing, fresh, strict=True):
            found[place].append(text[: EACH - sum(map(len, found[place]))])
    return [*found.values()]


def _drawing(draws: Sequence[torch.Generator]) -> Callable[[Sequence[int], torch.Tensor], list[int]]:
    """A way to pick tokens: each text draws its own, so that none depends on which others are written beside it."""

    def drawn(places: Sequence[int], logits: torch.Tensor) -> list[int]:
        shares = logits.float().softmax(dim=-1).cpu()
        return [
            int(torch.multinomial(row, 1, generator=draws[place])) for place, row in zip(places, shares, strict=True)
        ]

    return drawn


def _joined(loaded: LoadedModel, found: Sequence[Sequence[list[int]]]) -> str:
    """All texts as one; a NUL, which a model of bytes may write, is no text."""
    texts = (written(loaded, text).replace("\0", "") for some in found for text in some)
    return _BETWEEN.join(text for text in texts if text.strip())
