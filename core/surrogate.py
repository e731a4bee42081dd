"""The surrogate: a small network that predicts the score of a coalition from its mask.

The network is the paper's (arXiv 2602.07804, stage 2): Linear(n, 2n) - CELU - Linear(2n, 1) - Sigmoid on the score
PPL_dense / PPL. Two recipes train it. The paper's is SGD in batches of 300; it needs thousands of masks. Ours is AdamW
on the full batch, averaged over several members; it is good from a few hundred. Members are trained side by side in one
batched network, each with its own weight for every mask: that one mechanism gives ensembles, bootstrap and folds.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from core.masks import Masks
from core.types import Fit

Scores = NDArray[np.float64]  # (masks,), PPL_dense / PPL; 1 means that nothing was lost

# Below this, five folds hold too little to learn from or to test on.
FEWEST_MASKS = 10
FOLDS = 5
MEMBERS = 5
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

    def __getitem__(self, some: slice) -> "Networks":
        """Some of the members."""
        return Networks(self.hidden[some], self.hidden_bias[some], self.output[some], self.output_bias[some])

    def members(self, masks: Masks) -> NDArray[np.float32]:
        """The prediction of each member, (members, masks)."""
        with torch.inference_mode():
            parts = [self._forward(part.float()) for part in torch.split(torch.from_numpy(masks), _CHUNK)]
            return np.asarray(torch.cat(parts, dim=1))

    def predict(self, masks: Masks) -> NDArray[np.float32]:
        """The mean prediction of the members, (masks,)."""
        return np.asarray(self.members(masks).mean(axis=0))

    def _forward(self, masks: torch.Tensor) -> torch.Tensor:
        # CELU with its default alpha of 1 is ELU, and torch computes that twice as fast.
        inside = F.elu(torch.baddbmm(self.hidden_bias, masks.expand(len(self.hidden), -1, -1), self.hidden))
        return torch.baddbmm(self.output_bias, inside, self.output).sigmoid().squeeze(-1)


def fit(masks: Masks, scores: Scores, weights: NDArray[np.floating], seed: int) -> Networks:
    """Trains one member for each row of `weights` with AdamW on all masks at once.

    Args:
        masks: (masks, n).
        scores: (masks,), finite.
        weights: (members, masks), not negative: 0 holds a mask out, a count is a bootstrap resample.
        seed: of the initial weights.
    """
    networks = _initial(len(weights), masks.shape[1], seed)
    parameters = [networks.hidden, networks.hidden_bias, networks.output, networks.output_bias]
    inputs, targets = torch.from_numpy(masks).float(), torch.from_numpy(scores).float()
    share = torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()
    optimizer = torch.optim.AdamW(parameters, lr=0.015, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.015, total_steps=_STEPS)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        # Members are independent, so the sum of their losses trains each as if it were alone.
        torch.autograd.backward((share * (networks._forward(inputs) - targets).square()).sum())
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


def cross_validate(masks: Masks, scores: Scores, seed: int) -> Fit:
    """Five-fold test of `fit`: every mask is predicted by members that have not seen it."""
    folds = _folds(masks, seed)
    held_out = np.repeat([folds == fold for fold in range(FOLDS)], MEMBERS, axis=0)
    predictions = fit(masks, scores, (~held_out).astype(np.float64), seed).members(masks)
    return quality(scores, np.where(held_out, predictions, 0).sum(axis=0) / MEMBERS)


def cross_validate_as_paper(masks: Masks, scores: Scores, seed: int) -> Fit:
    """The same test of the paper's recipe, on the same folds."""
    folds = _folds(masks, seed)
    found = np.empty(len(masks))
    for fold in range(FOLDS):
        seen = folds != fold
        found[~seen] = fit_as_paper(masks[seen], scores[seen], seed).predict(masks[~seen])
    return quality(scores, found)


def quality(scores: Scores, predictions: NDArray[np.floating]) -> Fit:
    """R2, Spearman's rank correlation and mean absolute error of predictions."""
    return Fit(
        r2=float(r2_score(scores, predictions)),
        spearman=float(spearmanr(scores, predictions).statistic),
        mae=float(mean_absolute_error(scores, predictions)),
        masks=len(scores),
    )


def _folds(masks: Masks, seed: int) -> NDArray[np.int64]:
    """The fold of each mask; every fold has its share of every Hamming weight."""
    folds = np.empty(len(masks), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(masks))
    order = order[np.argsort(masks[order].sum(axis=1), kind="stable")]
    folds[order] = np.arange(len(masks)) % FOLDS
    return folds


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
