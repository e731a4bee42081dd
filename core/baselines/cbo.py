"""CBO (arXiv 2602.00161): a quadratic model of the loss in one gate for each layer, minimised over sets of a size.

A gate a multiplies what a layer adds to the hidden state. With z = 1 - a, 1 where a layer goes,

    E(z) = -g z + z H z / 2,    g, H: gradient and Hessian of the mean loss in the gates, where all are 1

is an Ising model whose sum of z is fixed. Sets of low energy are tried on the calibration text, and the best of them is
taken. How many are tried, and how they are found where there are too many to look at, is ours: ten, and descents by
swaps from random sets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.baselines.contest import Contest, Plans
from core.baselines.criteria import GRADIENT_COST, Spans, has_plain_weights
from core.coalitions.masks import without
from core.coalitions.measurements import Floats
from core.coalitions.players import spans
from core.errors import SelectionError
from core.evaluate.losses import sequence_nll
from core.model.blocks import hidden_of, probe_ids
from core.model.gradients import fixed
from core.model.model import LoadedModel
from core.pauses import Pause, nothing

_TRIED = 10  # sets of lowest energy of each size
_LISTED = 50_000  # up to so many sets are looked at; from more, by so many descents
_DESCENTS = 64
# A row of the Hessian is a pass back through a forward and its gradient: as much as both of them.
_ROW_COST = GRADIENT_COST
_LOPSIDED = 0.2  # of the greatest entry; 16 bits round each side otherwise

Set = tuple[int, ...]


def cbo(contest: Contest) -> Plans:
    """For each count the set of least loss among those of lowest energy."""
    players = contest.meter.players
    gradient, hessian = derivatives(contest.loaded, contest.ids, contest.keep)
    contest.forwards(GRADIENT_COST + _ROW_COST * players)
    plans: Plans = {}
    for count in contest.counts:
        if count <= players:
            sets = lowest(-gradient, hessian, count, contest.seed)
            tried = np.stack([without(players, one) for one in sets])
            losses = contest.meter.losses(tried, contest.sequences).mean(axis=1)
            plans[count] = sets[int(np.where(np.isnan(losses), np.inf, losses).argmin())]
    return plans


def check_derivatives(loaded: LoadedModel) -> None:
    """SelectionError where a model is not differentiated twice: by a few tokens, before anything long begins."""
    if not has_plain_weights(loaded):
        raise _refused(loaded, "its weights are quantised, or partly on the disk")
    derivatives(loaded, probe_ids(loaded.model)[None])


def derivatives(loaded: LoadedModel, ids: torch.Tensor, between: Pause = nothing) -> tuple[Floats, Floats]:
    """Gradient (players,) and Hessian (players, players) of the mean loss in the gates, where all are 1.

    `between` is called after each sequence of `ids` (sequences, length).

    Raises:
        SelectionError: an operation of the model has no second derivative, or one that is no number.
    """
    where = spans(loaded.info.players)
    gradient, whole = np.zeros(len(where)), np.zeros((len(where), len(where)))
    for one in torch.split(ids, 1):
        first, second = _of_one(loaded, where, one)
        gradient, whole = gradient + first / len(ids), whole + second / len(ids)
        between()
    if not (np.isfinite(gradient).all() and np.isfinite(whole).all()):
        raise _refused(loaded, "some are no numbers")
    # What a kernel leaves out of a gradient that is to be differentiated again, it leaves out on one side.
    if np.abs(whole - whole.T).max() > _LOPSIDED * np.abs(whole).max():
        raise _refused(loaded, "those that it gives depend on the order")
    return gradient, (whole + whole.T) / 2


def _of_one(loaded: LoadedModel, where: Spans, ids: torch.Tensor) -> tuple[Floats, Floats]:
    """The same of one sequence (1, length), not yet symmetric; its graph ends here."""
    gates = torch.ones(len(where), device=loaded.info.device, requires_grad=True)
    # Fused attention has no second derivative.
    with fixed(loaded.model), _gated(loaded, where, gates), sdpa_kernel(SDPBackend.MATH):
        here = ids.to(loaded.info.device)
        loss = sequence_nll(loaded.model(input_ids=here, use_cache=False).logits, here).mean()
        try:
            [first] = torch.autograd.grad(loss, gates, create_graph=True)
            rows = [torch.autograd.grad(part, gates, retain_graph=True)[0] for part in first]
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as cause:
            raise _refused(loaded, str(cause)) from cause
    return first.detach().double().cpu().numpy(), torch.stack(rows).double().cpu().numpy()


def _refused(loaded: LoadedModel, why: str) -> SelectionError:
    return SelectionError(
        f"cbo needs second derivatives of {loaded.info.architecture}, and {why}.",
        "Leave cbo out, such as with --methods quorum,sleb.",
    )


def lowest(linear: Floats, square: Floats, count: int, seed: int) -> list[Set]:
    """Sets of a size of lowest energy linear z + z square z / 2, the lowest first; exact where they can all be listed.

    Args:
        linear: (players,).
        square: (players, players), symmetric.
        count: 1 or more.
        seed: of the random sets.
    """
    players = len(linear)
    if comb(players, count) <= _LISTED:
        places = np.array(list(combinations(range(players), count)))
        inner = sum(square[places[:, i], places[:, j]] for i in range(count) for j in range(count))
        energies = linear[places].sum(axis=1) + inner / 2
        return [tuple(map(int, places[row])) for row in np.argsort(energies, kind="stable")[:_TRIED]]
    drawn, found = np.random.default_rng(seed), dict[Set, float]()
    for _ in range(_DESCENTS):
        z = np.zeros(players)
        z[drawn.choice(players, count, replace=False)] = 1
        for one in _descent(linear, square, z):
            found[tuple(map(int, np.flatnonzero(one)))] = float(linear @ one + one @ square @ one / 2)
    return sorted(found, key=lambda one: (found[one], one))[:_TRIED]


def _descent(linear: Floats, square: Floats, z: Floats) -> Iterator[NDArray[np.float64]]:
    """A set, and each that the best swap of two players makes of it, until none is better."""
    least = 1e-9 * (np.abs(linear).max() + np.abs(square).max())  # rounding, which would go in circles
    while True:
        yield z.copy()
        field, own = linear + square @ z, np.diag(square) / 2
        # A player i stays after all (rows), and another, j, goes (columns).
        change = (own - field)[:, None] + (own + field)[None] - square
        change[z == 0] = change[:, z == 1] = np.inf
        i, j = np.unravel_index(change.argmin(), change.shape)
        if not change[i, j] < -least:
            return
        z[i], z[j] = 0, 1


@contextmanager
def _gated(loaded: LoadedModel, where: Spans, gates: torch.Tensor) -> Iterator[None]:
    """What each block of a player adds is multiplied by the player's gate."""

    def multiply(block: int, player: int, _: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        given = hidden_of(args, kwargs)
        assert given is not None
        left = loaded.blocks.hidden_in(output)  # where this block lies; what came in may come from another device
        entered = loaded.blocks.skip(block, given).to(left.device)
        gated = (entered.float() + gates[player].to(left.device) * (left - entered).float()).to(left.dtype)
        return (gated, *output[1:]) if loaded.blocks.answers else gated

    handles = [
        loaded.blocks.modules[block].register_forward_hook(partial(multiply, block, player), with_kwargs=True)
        for player, (begin, end) in enumerate(where)
        for block in range(begin, end)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
