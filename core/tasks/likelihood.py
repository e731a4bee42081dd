"""How likely a model finds the continuations of an item.

An item goes through the model alone, whatever else is asked, so that no answer depends on how many there are, on their
order, or on who measures them: sums of other batches differ in their last bits, and accuracies with them.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.behaviour.task_scores import Answer
from core.tasks.items import Item


def answer(loaded: LoadedModel, mask: NDArray[np.bool_], item: Item) -> Answer:
    """What the model with the players of `mask` (players,) says of an item's continuations."""
    rows = [(*context, *continuation)[:-1] for context, continuation in item.tokens]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)  # what comes after a row's end changes nothing
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    with torch.inference_mode(), playing(loaded, mask):
        logits = loaded.model(input_ids=ids.to(loaded.info.device), use_cache=False).logits
    found = [_of(logits[place], *tokens) for place, tokens in enumerate(item.tokens)]
    return Answer(tuple(likelihood for likelihood, _ in found), tuple(greedy for _, greedy in found))


def _of(logits: torch.Tensor, context: tuple[int, ...], continuation: tuple[int, ...]) -> tuple[float, bool]:
    """Of logits (tokens, vocabulary): the log-likelihood of a continuation, and whether it is the greedy one."""
    rows = logits[len(context) - 1 : len(context) - 1 + len(continuation)].float()
    wanted = torch.tensor(continuation, device=rows.device)
    chosen = rows.log_softmax(-1).gather(-1, wanted[:, None]).sum()
    return float(chosen), bool((rows.argmax(-1) == wanted).all())
