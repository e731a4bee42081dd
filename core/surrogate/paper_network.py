"""The paper's surrogate: a small network that predicts the score of a coalition from its mask.

The network (arXiv 2602.07804, stage 2) is Linear(n, 2n) - CELU - Linear(2n, 1) - Sigmoid on the score PPL_dense / PPL.
Two recipes train it here, to be compared with. The paper's is SGD in batches of 300; it needs thousands of masks. The
other is AdamW on the full batch, averaged over several members that train side by side in one batched network; it is
good from a few hundred.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.coalitions.masks import Masks
from core.pauses import Pause, nothing

Scores = NDArray[np.float64]  # (masks,), PPL_dense / PPL; 1 means that nothing was lost

_MEMBERS = 5
_STEPS = 1000
_RATE, _DECAY, _TINY = 0.015, 0.01, 1e-8
# Steps after which somebody else may have the processor, and those that tell how long all of them take.
_PAUSE, _TRIED = 10, 50
# Masks in one forward: the hidden layer then stays in the processor's cache.
_CHUNK = 2048


@dataclass(frozen=True)
class Networks:
    """Members of one shape: all weights of each are a row of `weights`, (members, 2n² + 4n + 1)."""

    weights: Tensor
    layers: int

    @cached_property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Views: hidden weights (members, n, 2n), biases (members, 1, 2n), output (members, 2n, 1), (members, 1, 1)."""
        inside = 2 * self.layers
        hidden, hidden_bias, output, output_bias = torch.split(
            self.weights, [self.layers * inside, inside, inside, 1], dim=1
        )
        return (
            hidden.view(-1, self.layers, inside),
            hidden_bias.unsqueeze(1),
            output.unsqueeze(2),
            output_bias.unsqueeze(2),
        )

    def predict(self, masks: Masks) -> NDArray[np.float64]:
        """The mean prediction of the members, (masks,)."""
        with torch.inference_mode():
            parts = [self._forward(part.float()) for part in torch.split(torch.from_numpy(masks), _CHUNK)]
            return np.asarray(torch.cat(parts, dim=1).mean(dim=0).double())

    def with_flips(self, masks: Masks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The prediction of masks (q, n), (q,), and of each with one layer flipped, (q, n)."""
        flipped = np.empty(masks.shape)
        other = masks.copy()
        for layer in range(masks.shape[1]):
            other[:, layer] = ~masks[:, layer]
            flipped[:, layer] = self.predict(other)
            other[:, layer] = masks[:, layer]
        return self.predict(masks), flipped

    def _forward(self, masks: Tensor) -> Tensor:
        """Of masks (q, n), (members, q)."""
        return self._outputs(masks.expand(len(self.weights), -1, -1))[1].squeeze(-1)

    def _outputs(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Of inputs (members, q, n): the hidden layer (members, q, 2n), and the predictions (members, q, 1)."""
        hidden, hidden_bias, output, output_bias = self.parts
        # CELU with its default alpha of 1 is ELU, and torch computes that twice as fast.
        inside = F.elu(torch.baddbmm(hidden_bias, inputs, hidden))
        return inside, torch.baddbmm(output_bias, inside, output).sigmoid_()

    def _slope(self, inputs: Tensor, targets: Tensor, into: "Networks") -> None:
        """Writes the gradient of each member's mean squared error, on targets (1, q, 1), `into` another's weights.

        In closed form: these networks are so small that autograd would take several times as long as their arithmetic.
        """
        hidden, hidden_bias, output, output_bias = into.parts
        inside, found = self._outputs(inputs)
        error = (found - targets).mul_(2 / targets.shape[1]).mul_(found).mul_(1 - found)
        torch.bmm(inside.mT, error, out=output)
        torch.sum(error, dim=1, keepdim=True, out=output_bias)
        below = torch.bmm(error, self.parts[2].mT).mul_(inside.clamp_(max=0).add_(1))
        torch.bmm(inputs.mT, below, out=hidden)
        torch.sum(below, dim=1, keepdim=True, out=hidden_bias)


def fit(masks: Masks, scores: Scores, seed: int, between: Pause = nothing, *, steps: int = _STEPS) -> Networks:
    """Trains an ensemble with AdamW on all masks at once; its members differ in their initial weights.

    Args:
        masks: (masks, n).
        scores: (masks,), finite.
        seed: of the initial weights.
        between: called every few steps, and may raise to end it.
        steps: of the optimiser.
    """
    networks = _initial(_MEMBERS, masks.shape[1], seed)
    schedule = _one_cycle()[:steps]
    with torch.inference_mode(), _threads(1) as threads:
        inputs, targets = _tensors(masks, scores)
        inputs = inputs.expand(_MEMBERS, -1, -1)
        weights, slope = networks.weights, Networks(torch.empty_like(networks.weights), networks.layers)
        mean, square = torch.zeros_like(weights), torch.zeros_like(weights)
        for step, (rate, first, second) in enumerate(schedule, 1):
            if step % _PAUSE == 0:
                _pause(between, threads)
            networks._slope(inputs, targets, slope)
            weights.mul_(1 - rate * _DECAY)
            mean.lerp_(slope.weights, 1 - first)
            square.mul_(second).addcmul_(slope.weights, slope.weights, value=1 - second)
            spread = square.sqrt().div_(math.sqrt(1 - second**step)).add_(_TINY)
            weights.addcdiv_(mean, spread, value=-rate / (1 - first**step))
    return networks


@contextmanager
def _threads(count: int) -> Iterator[int]:
    """While the block runs, torch has so many threads: these networks are too small for several. Gives what it had."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def _pause(between: Pause, threads: int) -> None:
    """Lets somebody else go first, on so many threads.

    They may load a model: what is made in inference mode knows no gradients later.
    """
    with torch.inference_mode(False), _threads(threads):
        between()


def seconds_of_fit(count: int, layers: int) -> float:
    """How long `fit` takes here for so many masks, by a few of its steps."""
    rng = np.random.default_rng(0)
    masks, scores = rng.random((count, layers)) < 0.5, rng.random(count)
    fit(masks, scores, 0, steps=2)  # the first ones are slow
    begun = time.monotonic()
    fit(masks, scores, 0, steps=_TRIED)
    return (time.monotonic() - begun) * _STEPS / _TRIED


def fit_as_paper(masks: Masks, scores: Scores, seed: int, between: Pause = nothing) -> Networks:
    """Trains one network exactly as the paper states: SGD 0.008, momentum 0.9, batches of 300, 300 epochs, StepLR."""
    networks = _initial(1, masks.shape[1], seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(), _threads(1) as threads:
        inputs, targets = _tensors(masks, scores)
        slope = Networks(torch.empty_like(networks.weights), networks.layers)
        momentum = torch.zeros_like(networks.weights)
        for epoch in range(300):
            if epoch % _PAUSE == 0:
                _pause(between, threads)
            for batch in torch.split(torch.randperm(len(masks), generator=generator), 300):
                networks._slope(inputs[:, batch], targets[:, batch], slope)
                momentum.mul_(0.9).add_(slope.weights)
                networks.weights.sub_(momentum, alpha=0.008 * 0.1 ** (epoch // 100))
    return networks


def _tensors(masks: Masks, scores: Scores) -> tuple[Tensor, Tensor]:
    """Inputs (1, masks, n) and targets (1, masks, 1)."""
    return torch.from_numpy(masks).float().unsqueeze(0), torch.from_numpy(scores).float().view(1, -1, 1)


@cache
def _one_cycle() -> list[tuple[float, float, float]]:
    """Of each step: the rate and both betas of AdamW under torch's OneCycleLR."""
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=_STEPS)
    steps = []
    optimizer.step()
    for _ in range(_STEPS):
        [group] = optimizer.param_groups
        steps.append((group["lr"], *group["betas"]))
        schedule.step()
    return steps


def _initial(members: int, layers: int, seed: int) -> Networks:
    """torch.nn.Linear's own initial weights: uniform within 1 / sqrt(inputs)."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(count: int, inputs: int) -> Tensor:
        return torch.empty(members, count).uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)

    inside = 2 * layers
    parts = [uniform(layers * inside, layers), uniform(inside, layers), uniform(inside, inside), uniform(1, inside)]
    return Networks(torch.cat(parts, dim=1), layers)
