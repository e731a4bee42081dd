"""How a pruned model behaves, as a run of events: what both models write, and what they predict of unseen text."""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.coalitions.masks import encode
from core.coalitions.players import mask_without
from core.errors import SelectionError
from core.evaluate.continuing.continuations import continuations, greedy, prompt_ids, written
from core.evaluate.game import Games
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.behaviour.writes import Behaviour, Writes
from core.records.events import Behaved, Event, Searching, Stage, Writing, Written
from core.records.spec import RunSpec
from core.records.storage import Store
from core.text.self_written.prompts import PROMPTS
from core.writing.degeneration import agreed, distinct, ends_in_loop, longest_repeat, verdict
from core.writing.predicting import predicted, unseen

Texts = list[list[int]]  # the tokens that follow each prompt


def continuing(games: Games, spec: RunSpec, removed: Sequence[int], prompt: str, tokens: int) -> Iterator[Event]:
    """The events of `Engine.continue_`, the last of which is Written."""
    game = yield from games.open(spec, spec.text(), check=lambda players: mask_without(players, removed))
    check_room(game.loaded, [prompt_ids(game.loaded, prompt)], tokens)
    texts = "", "", 0
    for texts in continuations(game.loaded, mask_without(game.loaded.info.players, removed), prompt, tokens):
        yield Writing(*texts, total=tokens)
    yield Written(*texts, total=tokens)


def behaving(
    store: Store, games: Games, spec: RunSpec, removed: Sequence[int], tokens: int, windows: int | None
) -> Iterator[Event]:
    """The events of `Engine.behave`, the last of which is Behaved.

    Args:
        store: keeps what is found, and is asked first.
        games: opens the model, and the text that no run measures.
        spec: of a run.
        removed: players to switch off, by their places in a mask.
        tokens: to write after each prompt.
        windows: of unseen text; four times as many as the run has if none are given.
    """
    if tokens < 1:
        raise SelectionError(f"Texts of {tokens} tokens say nothing.", "Use --tokens 1 or more.")
    game = yield from games.open(spec, unseen(spec, windows), check=lambda players: mask_without(players, removed))
    loaded, mask = game.loaded, mask_without(game.loaded.info.players, removed)
    starts = [prompt_ids(loaded, prompt) for prompt in PROMPTS]
    check_room(loaded, starts, tokens)
    [predicts] = yield from predicted(store, game, mask[None])
    written_before = store.traits(loaded.info, [encode(mask)])[encode(mask)].writes.values()
    asked = PROMPTS, tokens, predicts.protocol
    found = next((one for one in written_before if (one.prompts, one.tokens, one.predicts.protocol) == asked), None)
    if found is None:
        yield Stage(f"Writing {len(PROMPTS)} times {tokens} tokens without the layers, and with all")
        whole = yield from _texts(loaded, np.ones_like(mask), starts, tokens, 0.0)
        pruned = yield from _texts(loaded, mask, starts, tokens, 0.5)
        usual = _writes(loaded, starts, whole, whole, None)
        places = tuple(int(place) for place in np.flatnonzero(~mask))
        judged = _writes(loaded, starts, pruned, whole, usual)
        found = Behaviour(places, loaded.info, PROMPTS, tokens, usual, judged, predicts)
        store.record_traits(loaded.info, encode(mask), found)
    yield Behaved(found)


def check_room(loaded: LoadedModel, starts: Texts, tokens: int) -> None:
    """SelectionError where texts would outgrow the model's positions: some fail there, others write nonsense."""
    longest, most = max(map(len, starts)) + tokens, loaded.checkpoint.positions
    if most is not None and 0 < most < longest:
        raise SelectionError(
            f"Prompts of up to {longest - tokens} tokens and {tokens} new ones are {longest}: "
            f"{loaded.info.source} has {most} positions.",
            "Ask for fewer tokens.",
        )


def _texts(
    loaded: LoadedModel, mask: NDArray[np.bool_], starts: Texts, tokens: int, share: float
) -> Generator[Event, None, Texts]:
    """What follows each prompt; half of all that is to be written, from a share on."""
    texts: Texts = []
    for texts in greedy(loaded, mask, starts, tokens):
        yield Searching(share + sum(map(len, texts)) / (2 * tokens * len(starts)))
    return texts


def _writes(loaded: LoadedModel, starts: Texts, texts: Texts, whole: Texts, usual: Writes | None) -> Writes:
    """What is to be said of a model's texts beside the whole model's, by whose figures they are judged."""
    distinct2, loops = (float(np.mean([of(text) for text in texts])) for of in (distinct, ends_in_loop))
    surprise = _surprise(loaded, starts, texts)
    return Writes(
        verdict=verdict(distinct2, loops, surprise, (usual.loops, usual.surprise) if usual is not None else None),
        distinct2=distinct2,
        longest_repeat=float(np.mean([longest_repeat(text) for text in texts])),
        loops=loops,
        surprise=surprise,
        agreed=float(np.mean([agreed(one, other) for one, other in zip(whole, texts, strict=True)])),
        texts=tuple(written(loaded, text) for text in texts),
    )


def _surprise(loaded: LoadedModel, starts: Texts, texts: Texts) -> float:
    """The whole model's mean loss on texts after their prompts, nats a token."""
    everybody = np.ones(len(loaded.info.players), dtype=np.bool_)
    total, count = 0.0, 0
    with torch.inference_mode(), playing(loaded, everybody):
        for start, text in zip(starts, texts, strict=True):
            ids = torch.tensor([[*start, *text]], device=loaded.info.device)
            logits = loaded.model(input_ids=ids, use_cache=False).logits[0, len(start) - 1 : -1]
            total += float(F.cross_entropy(logits.float(), ids[0, len(start) :], reduction="sum"))
            count += len(text)
    return total / count
