"""One-shot criteria of the literature: a score for each layer, and the least scores go first.

random         no criterion at all
magnitude      mean |W| of a layer's weights
shortgpt       block influence: 1 - mean cosine of a layer's input and output (ShortGPT, arXiv 2403.03853)
one-shot       the loss with this layer alone removed (Shortened LLaMA, arXiv 2402.02834)
taylor         sum |W dL/dW| of a layer's weights (the same paper); taylor+ protects the first four and last two
window         not a score: the run of k layers across which the last token turns least (arXiv 2403.17887)
"""

from collections.abc import Sequence

import numpy as np
import torch

from core.errors import SelectionError
from core.losses import sequence_nll
from core.measurements import Floats
from core.meter import Meter
from core.model import LoadedModel
from core.similarity import Similarity

# A forward with gradients, and back: about three forwards.
GRADIENT_COST = 3
TAYLOR_PLUS = (0, 1, 2, 3, -2, -1)

Plans = dict[int, tuple[int, ...]]  # by the number of removed layers, which ones


def check_weights(loaded: LoadedModel) -> None:
    """SelectionError where weights are no plain numbers in memory, which magnitude and taylor sum up."""
    if loaded.info.quantisation or loaded.offloaded:
        why = f"are quantised ({loaded.info.quantisation})" if loaded.info.quantisation else "are partly on the disk"
        raise SelectionError(
            f"magnitude and taylor sum up weights and their gradients, and those of {loaded.info.source} {why}.",
            "Leave them out: --methods quorum,shortgpt,one-shot,sleb.",
        )


def ranking(scores: Floats, most: int, protected: Sequence[int] = ()) -> Plans:
    """The least scores (n,) first, as plans of 1..`most` removed layers; fewer where too many are protected."""
    order = [int(layer) for layer in np.argsort(scores, kind="stable") if layer not in protected]
    return {count: tuple(sorted(order[:count])) for count in range(1, min(most, len(order)) + 1)}


def windows(near: Similarity, most: int, protected: Sequence[int] = ()) -> Plans:
    """For each count the run of layers, none protected, whose input and output are the least angle apart."""
    layers = len(near.angle) - 1
    plans: Plans = {}
    for count in range(1, most + 1):
        starts = [first for first in range(layers - count + 1) if not {*range(first, first + count)} & {*protected}]
        if starts:
            best = min(starts, key=lambda first: near.angle[first, first + count])
            plans[count] = tuple(range(best, best + count))
    return plans


def block_influence(near: Similarity) -> Floats:
    """1 - cosine of each layer's input and output, (n,)."""
    return np.asarray(1 - np.diagonal(near.cosine, 1))


def one_shot(meter: Meter, sequences: int) -> Floats:
    """The loss without each layer, (n,), nats a token."""
    return np.asarray(meter.losses(~np.eye(meter.layers, dtype=np.bool_), sequences).mean(axis=1))


def magnitude(loaded: LoadedModel) -> Floats:
    """The mean |W| of each layer, (n,)."""
    with torch.inference_mode():
        layers = [[weight.float().abs() for weight in block.parameters()] for block in loaded.blocks.modules]
        return np.array([float(sum(w.sum() for w in layer)) / sum(w.numel() for w in layer) for layer in layers])


def taylor(loaded: LoadedModel, ids: torch.Tensor) -> Floats:
    """sum |W dL/dW| of each layer, (n,); gradients are summed over the sequences first. The model is left as found."""
    weights = [list(block.parameters()) for block in loaded.blocks.modules]
    every = list(loaded.model.parameters())
    before = [weight.requires_grad for weight in every]
    try:
        for weight in every:
            weight.requires_grad_(False)
        flat = [weight.requires_grad_(True) for layer in weights for weight in layer]
        total = [torch.zeros_like(weight, dtype=torch.float32) for weight in flat]
        for one in torch.split(ids, 1):
            here = one.to(loaded.info.device)
            loss = sequence_nll(loaded.model(input_ids=here, use_cache=False).logits, here).sum()
            for sum_, gradient in zip(total, torch.autograd.grad(loss, flat), strict=True):
                sum_ += gradient
        scores = [float((weight.detach() * sum_).abs().sum()) for weight, sum_ in zip(flat, total, strict=True)]
    finally:
        for weight, was in zip(every, before, strict=True):
            weight.requires_grad_(was)
    ends = np.cumsum([len(layer) for layer in weights])
    return np.array([sum(part) for part in np.split(np.array(scores), ends[:-1])])
