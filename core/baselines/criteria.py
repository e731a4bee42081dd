"""One-shot criteria of the literature: a score for each player, and the least scores go first.

They were made for layers; what they ask of one is asked here of the half of a block, or of the group, that plays.

random         no criterion at all
magnitude      mean |W| of a layer's weights
shortgpt       block influence: 1 - mean cosine of a layer's input and output (ShortGPT, arXiv 2403.03853)
one-shot       the loss with this layer alone removed (Shortened LLaMA, arXiv 2402.02834)
taylor         sum |W dL/dW| of a layer's weights (the same paper); taylor+ protects the first four and last two
window         not a score: the run of k layers across which the last token turns least (arXiv 2403.17887)
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from core.baselines.contest import Plans
from core.coalitions.measurements import Floats
from core.errors import SelectionError
from core.evaluate.losses import sequence_nll
from core.evaluate.meter import Meter
from core.model.gradients import fixed
from core.model.model import LoadedModel
from core.model.similarity import Similarity

# A forward with gradients, and back: about three forwards.
GRADIENT_COST = 3
TAYLOR_PLUS = (0, 1, 2, 3, -2, -1)

Spans = Sequence[tuple[int, int]]


def has_plain_weights(loaded: LoadedModel) -> bool:
    """Whether weights are plain numbers in memory, which magnitude and taylor sum up."""
    return not (loaded.info.quantisation or loaded.offloaded)


def check_plain_weights(loaded: LoadedModel) -> None:
    """SelectionError where they are not."""
    if not has_plain_weights(loaded):
        why = f"are quantised ({loaded.info.quantisation})" if loaded.info.quantisation else "are partly on the disk"
        raise SelectionError(
            f"magnitude and taylor sum up weights and their gradients, and those of {loaded.info.source} {why}.",
            "Leave them out, such as with --methods quorum,one-shot,sleb.",
        )


def ranking(scores: Floats, most: int, protected: Sequence[int] = ()) -> Plans:
    """The least scores (n,) first, as plans of 1..`most` removed players; fewer where too many are protected."""
    order = [int(player) for player in np.argsort(scores, kind="stable") if player not in protected]
    return {count: tuple(sorted(order[:count])) for count in range(1, min(most, len(order)) + 1)}


def windows(turn: Floats, where: Spans, most: int) -> Plans:
    """For each count the run of players, with no other block between, across which the hidden state turns least.

    Args:
        turn: by how much from before block a to before block b, (blocks + 1, blocks + 1).
        where: which blocks each player is: (first, one past the last).
        most: players.
    """
    plans: Plans = {}
    for count in range(1, most + 1):
        turns: dict[int, float] = {}
        for first in range(len(where) - count + 1):
            run = where[first : first + count]
            if all(one[1] == other[0] for one, other in pairwise(run)):
                turns[first] = float(turn[run[0][0], run[-1][1]])
        if turns:
            best = min(turns, key=lambda first: turns[first])
            plans[count] = tuple(range(best, best + count))
    return plans


def block_influence(near: Similarity, where: Spans) -> Floats:
    """1 - cosine of each player's input and output, (n,); `where` as of `windows`."""
    return np.array([1 - near.cosine[begin, end] for begin, end in where])


def one_shot(meter: Meter, sequences: int) -> Floats:
    """The loss without each layer, (n,), nats a token."""
    return np.asarray(meter.losses(~np.eye(meter.players, dtype=np.bool_), sequences).mean(axis=1))


def magnitude(loaded: LoadedModel) -> Floats:
    """The mean |W| of each player, (n,)."""
    with torch.inference_mode():
        players = [[weight.float().abs() for weight in own] for own in loaded.weights]
        return np.array([float(sum(w.sum() for w in own)) / sum(w.numel() for w in own) for own in players])


def taylor(loaded: LoadedModel, ids: torch.Tensor) -> Floats:
    """sum |W dL/dW| of each player, (n,); gradients are summed over the sequences first. The model is left as found."""
    weights = loaded.weights
    with fixed(loaded.model):
        flat = [weight.requires_grad_(True) for own in weights for weight in own]
        total = [torch.zeros_like(weight, dtype=torch.float32) for weight in flat]
        for one in torch.split(ids, 1):
            here = one.to(loaded.info.device)
            loss = sequence_nll(loaded.model(input_ids=here, use_cache=False).logits, here).sum()
            for sum_, gradient in zip(total, torch.autograd.grad(loss, flat), strict=True):
                sum_ += gradient
        scores = [float((weight.detach() * sum_).abs().sum()) for weight, sum_ in zip(flat, total, strict=True)]
    ends = np.cumsum([len(own) for own in weights])
    return np.array([sum(part) for part in np.split(np.array(scores), ends[:-1])])
