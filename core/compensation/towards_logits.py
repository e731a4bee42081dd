"""Steps towards what the whole model predicts, of the matrices that a refit has changed.

A refit lets the hidden state behind a cut resemble the whole model's, whatever that is worth to predictions. Here the
same matrices move, those of all cuts together, down the mean KL divergence from the whole model's predictions. A step
is Gauss-Newton's, with a curvature that is a product for each matrix (K-FAC: Martens and Grosse 2015, arXiv
1503.05671): A^-1 D G^-1 for the gradient D, the second moments A of what enters the matrix, and those G of the
gradients of what leaves it, over tokens that the model itself draws. It is as long as the loss falls of what it has not
seen.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.compensation.hidden_states import AT_ONCE
from core.compensation.projections import Patches, Projection, patched
from core.compensation.refit import ROOM, SOLVING
from core.evaluate.limits import at_once
from core.model.gradients import fixed
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.mends import Step

STEPS = 2
# How far a step may go, in those of the quadratic that the curvature makes of the loss, tried from the shortest on.
LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8)
# What is added to the diagonal of either factor, in means of it, each of which is tried: there are far more weights
# than tokens, so that a step is hardly more than the gradient where little is known.
DAMPINGS = (3.0, 10.0)
_EVERY = 3  # batches, of which one tells the curvature


class _Moments:
    """What a step needs to know of one matrix."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.gradient: torch.Tensor | None = None  # (inputs, outputs)
        self.entering: torch.Tensor | None = None  # (inputs, inputs)
        self.leaving: torch.Tensor | None = None  # (outputs, outputs)

    def add(self, x: torch.Tensor, slope: torch.Tensor, *, drawn: bool) -> None:
        """Takes in what entered (tokens, inputs), and the gradients of what left (tokens, outputs)."""
        if drawn:
            self.entering = x.T @ x if self.entering is None else self.entering.addmm_(x.T, x)
            self.leaving = slope.T @ slope if self.leaving is None else self.leaving.addmm_(slope.T, slope)
        else:
            self.gradient = x.T @ slope if self.gradient is None else self.gradient.addmm_(x.T, slope)

    def step(self, tokens: int, drawn: int, damping: float) -> torch.Tensor:
        """The change (inputs, outputs), of sums over so many tokens; NaN where a factor is no number."""
        assert self.gradient is not None and self.entering is not None and self.leaving is not None
        left = _solved(self.entering / drawn, self.gradient / tokens, damping)
        return -_solved(self.leaving / drawn, left.T.contiguous(), damping).T.cpu()


def towards_logits(
    loaded: LoadedModel,
    ids: torch.Tensor,
    mask: NDArray[np.bool_],
    of: Sequence[Projection],
    patches: Patches,
    before: float,
    loss: Callable[[Patches], float],
) -> Iterator[tuple[Step, Patches]]:
    """Yields each step that lowers a loss, and all patches after it; ends with the first that does not.

    Args:
        loaded: the model; left as found.
        ids: sequences to fit on (sequences, length).
        mask: (players,), True where a player is kept.
        of: what moves; of each block the first alone, attention's, where all would need more than 2 GiB to be solved.
        patches: what earlier fits have changed.
        before: the loss under them.
        loss: of sequences that no fit has seen, under patches.
    """
    if SOLVING * sum(projection.inputs**2 for projection in of) > ROOM:
        of = [one for place, one in enumerate(of) if not place or of[place - 1].block != one.block]
    for _ in range(STEPS):
        best, step = patches, Step(0.0, 0.0, before, before)
        steps = _steps(loaded, ids, mask, of, patches)
        for damping in DAMPINGS:
            changes, last = steps(damping), before
            for length in LENGTHS:
                moved = _moved(loaded, of, patches, [length * change for change in changes])
                found = loss(moved)
                if not found < last:
                    break
                last = found
                if found < step.after:
                    best, step = moved, Step(length, damping, before, found)
        if not step.length:
            return
        yield step, best
        before, patches = step.after, best


def _steps(
    loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_], of: Sequence[Projection], patches: Patches
) -> Callable[[float], list[torch.Tensor]]:
    """The whole step of each matrix, (inputs, outputs), by damping, from one pass over the sequences."""
    moments = [_Moments(projection) for projection in of]
    random = torch.Generator().manual_seed(0)
    tokens = drawn = 0
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    some = min(AT_ONCE, at_once(loaded.info.device, ids.shape[1], vocabulary))
    for number, part in enumerate(torch.split(ids, some)):
        here = part.to(loaded.info.device)
        with torch.no_grad():
            aim = _log_probabilities(loaded, here)
        # Fused attention adds up its gradients in whatever order its parts end.
        with (
            fixed(loaded.model),
            patched(loaded.model, patches),
            playing(loaded, mask),
            sdpa_kernel(SDPBackend.MATH),
            _listening(moments) as gather,
        ):
            ours = _log_probabilities(loaded, here)
            draws = number % _EVERY == 0
            gather(F.kl_div(ours, aim, reduction="sum", log_target=True), drawn=False, again=draws)
            tokens += ours[..., 0].numel()
            if draws:
                token = _drawn(ours.detach().flatten(0, 1), random)
                gather(F.nll_loss(ours.flatten(0, 1), token, reduction="sum"), drawn=True, again=False)
                drawn += len(token)
    return lambda damping: [each.step(tokens, drawn, damping) for each in moments]


def _drawn(chances: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """A token for each row of log probabilities (tokens, vocabulary): the same on every device; some, of no numbers."""
    at = torch.rand(len(chances), 1, generator=random).to(chances.device)
    found = torch.searchsorted(chances.exp().cumsum(dim=-1), at)[:, 0]
    return found.clamp(max=chances.shape[1] - 1)


def _log_probabilities(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    """Of each token but the first, (sequences, length - 1, vocabulary)."""
    logits = loaded.model(input_ids=ids, use_cache=False).logits[:, :-1]
    return F.log_softmax(logits, dim=-1, dtype=torch.float32)


@contextmanager
def _listening(moments: Sequence[_Moments]) -> Iterator[Callable[..., None]]:
    """While a forward runs, what enters and leaves matrices is kept; what is given takes in the gradients of a sum."""
    passed: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def after(place: int, _: nn.Module, args: tuple[Any, ...], answer: torch.Tensor) -> torch.Tensor:
        # The first of them begins the graph: nothing before it is to be differentiated.
        answer = answer if answer.requires_grad else answer.detach().requires_grad_()
        passed[place] = args[0].detach(), answer
        return answer.clone()  # some blocks add to it in place

    def gather(total: torch.Tensor, *, drawn: bool, again: bool) -> None:
        entered, left = zip(*(passed[place] for place in range(len(moments))), strict=True)
        slopes = torch.autograd.grad(total, left, retain_graph=again)
        for each, x, slope in zip(moments, entered, slopes, strict=True):
            each.add(*(one.reshape(-1, one.shape[-1]).float() for one in (x, slope)), drawn=drawn)

    with ExitStack() as hooked:
        for place, each in enumerate(moments):
            hooked.callback(each.projection.module.register_forward_hook(partial(after, place)).remove)
        yield gather


def _moved(loaded: LoadedModel, of: Sequence[Projection], patches: Patches, by: Sequence[torch.Tensor]) -> Patches:
    """The patches with each matrix moved from where they have it."""
    with patched(loaded.model, patches):
        found = dict(patches)
        for projection, change in zip(of, by, strict=True):
            found |= projection.added(change)
    return found


def _solved(moments: torch.Tensor, right: torch.Tensor, damping: float) -> torch.Tensor:
    """The inverse of damped second moments, times `right`."""
    damped = moments.clone()
    damped.diagonal().add_(damping * moments.diagonal().mean().clamp_min(1e-30))
    factor, failed = torch.linalg.cholesky_ex(damped)
    return torch.cholesky_solve(right, factor) if not failed else torch.full_like(right, float("nan"))
