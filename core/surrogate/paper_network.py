"""The paper's surrogate: a small network that predicts the score of a coalition from its mask.

The network (arXiv 2602.07804, stage 2) is Linear(n, 2n) - CELU - Linear(2n, 1) - Sigmoid on the score PPL_dense / PPL.
Two recipes train it here, to be compared with. The paper's is SGD in batches of 300; it needs thousands of masks. The
other is AdamW on the full batch, averaged over several members that train side by side in one batched network; it is
good from a few hundred.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.coalitions.masks import Masks

Scores = NDArray[np.float64]  # (masks,), PPL_dense / PPL; 1 means that nothing was lost

_MEMBERS = 5
_STEPS = 1000
# Masks in one forward: the hidden layer then stays in the processor's cache.
_CHUNK = 2048


@dataclass(frozen=True)
class Networks:
    """Members of one shape: weights (members, n, 2n), (members, 1, 2n), (members, 2n, 1), (members, 1, 1)."""

    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor

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

    def _forward(self, masks: torch.Tensor) -> torch.Tensor:
        # CELU with its default alpha of 1 is ELU, and torch computes that twice as fast.
        inside = F.elu(torch.baddbmm(self.hidden_bias, masks.expand(len(self.hidden), -1, -1), self.hidden))
        return torch.baddbmm(self.output_bias, inside, self.output).sigmoid().squeeze(-1)


def fit(masks: Masks, scores: Scores, seed: int) -> Networks:
    """Trains an ensemble with AdamW on all masks at once; its members differ in their initial weights.

    Args:
        masks: (masks, n).
        scores: (masks,), finite.
        seed: of the initial weights.
    """
    networks = _initial(_MEMBERS, masks.shape[1], seed)
    parameters = [networks.hidden, networks.hidden_bias, networks.output, networks.output_bias]
    inputs, targets = torch.from_numpy(masks).float(), torch.from_numpy(scores).float()
    optimizer = torch.optim.AdamW(parameters, lr=0.015, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.015, total_steps=_STEPS)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        # Members are independent, so the sum of their losses trains each as if it were alone.
        torch.autograd.backward((networks._forward(inputs) - targets).square().mean(dim=1).sum())
        optimizer.step()
        schedule.step()
    return Networks(*(parameter.detach() for parameter in parameters))


def fit_as_paper(masks: Masks, scores: Scores, seed: int) -> Networks:
    """Trains one network exactly as the paper states: SGD 0.008, momentum 0.9, batches of 300, 300 epochs, StepLR."""
    networks = _initial(1, masks.shape[1], seed)
    parameters = [networks.hidden, networks.hidden_bias, networks.output, networks.output_bias]
    inputs, targets = torch.from_numpy(masks).float(), torch.from_numpy(scores).float()
    optimizer = torch.optim.SGD(parameters, lr=0.008, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=100, gamma=0.1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(300):
        for batch in torch.split(torch.randperm(len(inputs), generator=generator), 300):
            optimizer.zero_grad()
            torch.autograd.backward(F.mse_loss(networks._forward(inputs[batch])[0], targets[batch]))
            optimizer.step()
        schedule.step()
    return Networks(*(parameter.detach() for parameter in parameters))


def _initial(members: int, layers: int, seed: int) -> Networks:
    """torch.nn.Linear's own initial weights: uniform within 1 / sqrt(inputs)."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, inputs: int) -> torch.Tensor:
        bound = inputs**-0.5
        return torch.empty(shape).uniform_(-bound, bound, generator=generator).requires_grad_()

    return Networks(
        uniform(members, layers, 2 * layers, inputs=layers),
        uniform(members, 1, 2 * layers, inputs=layers),
        uniform(members, 2 * layers, 1, inputs=2 * layers),
        uniform(members, 1, 1, inputs=2 * layers),
    )
