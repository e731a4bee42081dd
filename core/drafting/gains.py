"""How often the whole model accepts what plans would draft for it, and what drafting costs: both measured."""

from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.coalitions.players import mask_without
from core.drafting.shared_draft import check_target
from core.drafting.speculation import best_length, speedup, speedup_error
from core.errors import SelectionError
from core.evaluate.continuing.continuations import greedy, prompt_ids
from core.evaluate.game import Games
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.behaviour.drafts import Draft, Drafts
from core.records.behaviour.speeds import Ratio, SpeedProtocol
from core.records.behaviour.writes import TOKENS, Share
from core.records.events import Event, Searching, Stage
from core.records.plans import Plan
from core.records.spec import RunSpec
from core.records.storage import Store
from core.speed.shared_copy import shared_copy
from core.speed.timing import alternating, prompts, ratio
from core.text.self_written.prompts import PROMPTS
from core.writing.agreement import share_of
from core.writing.behaviour import check_room

PROTOCOL = SpeedProtocol(tokens=16, runs=8, warm_up=2)

Texts = Sequence[Sequence[int]]


def drafting(store: Store, games: Games, spec: RunSpec, plans: Sequence[Plan]) -> Generator[Event, None, Drafts]:
    """What plans are worth as drafts of their run's model; nothing of it is stored.

    Args:
        store: not used; what `Engine.lend` gives.
        games: opens the model.
        spec: of the run.
        plans: of its search, one at least.

    Raises:
        QuorumError: before any forward if the request is wrong.
    """

    def check(players: tuple[str, ...]) -> None:
        for plan in plans:
            mask_without(players, plan.removed)

    if not plans:
        raise SelectionError("There are no plans that could draft.", "Search for plans of one layer or more.")
    loaded = yield from games.model(spec, check)
    check_target(loaded.model)
    starts = [prompt_ids(loaded, prompt) for prompt in PROMPTS]
    check_room(loaded, starts, TOKENS)
    everybody = np.ones(len(loaded.info.players), dtype=np.bool_)
    yield Stage(f"Writing {len(starts)} times {TOKENS} tokens with all layers")
    texts: list[list[int]] = []
    for texts in greedy(loaded, everybody, starts, TOKENS):
        yield Searching(sum(map(len, texts)) / (TOKENS * len(starts)))
    found = []
    for plan in plans:
        mask = mask_without(loaded.info.players, plan.removed)
        yield Stage(f"A draft without {plan.count} of the layers")
        share = acceptance(loaded, mask, starts, texts)
        found.append(_draft(plan, share, (yield from _cost(loaded, everybody, mask))))
    return Drafts(loaded.info, len(starts), TOKENS, PROTOCOL, torch.get_num_threads(), tuple(found))


def acceptance(loaded: LoadedModel, mask: NDArray[np.bool_], starts: Texts, texts: Texts) -> Share:
    """The share of the tokens of some texts that are likeliest without some players, each after all that precede it.

    A greedy whole model accepts a drafted token where the two agree.

    Args:
        mask: (players,), True where a player is kept.
        starts: the tokens of each prompt.
        texts: those that the whole model has written behind it.
    """
    right = []
    with torch.inference_mode(), playing(loaded, mask):
        for start, text in zip(starts, texts, strict=True):
            ids = torch.tensor([[*start, *text]], device=loaded.info.device)
            likeliest = loaded.model(input_ids=ids, use_cache=False).logits[0, len(start) - 1 : -1].argmax(dim=-1)
            right.append(int((likeliest == ids[0, len(start) :]).sum()))
    return share_of(np.array(right), np.array([len(text) for text in texts]))


def _cost(loaded: LoadedModel, everybody: NDArray[np.bool_], mask: NDArray[np.bool_]) -> Generator[Event, None, Ratio]:
    """Seconds of a token with a mask's players alone, divided by those with everybody, both written in turn."""
    both = shared_copy(loaded, everybody), shared_copy(loaded, mask)
    runs = yield from alternating(both, prompts(both, PROTOCOL.prompt, 1), PROTOCOL)
    whole, smaller = ([run.decode for run in of[PROTOCOL.warm_up :]] for of in runs)
    return ratio(smaller, whole)


def _draft(plan: Plan, share: Share, cost: Ratio) -> Draft:
    length = best_length(share.value, cost.value)
    error = speedup_error((share.value, share.error), (cost.value, cost.error), length)
    return Draft(plan.count, plan.removed, share, cost, length, Ratio(speedup(share.value, cost.value, length), error))
