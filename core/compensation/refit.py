"""What a cut takes from the hidden state, made up for by the output projections of the block before it.

A ridge regression of what is missing on what enters the projections of attention and MLP together gives attention its
part. That moves what enters the MLP, whose part is then fitted anew. Where only one of them can be changed it takes
all; where both together would need too much memory, attention's part is what a fit of its own comes to. In memory are
two Gram matrices with what it takes to solve them, and the hidden states that are aimed at, one a token.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.compensation.hidden_states import AT_ONCE, leaving
from core.compensation.projections import Patches, Projection, patched
from core.compensation.ridge import Gram, cross_validated
from core.model.masked import playing
from core.model.model import LoadedModel

_FOLDS = 2
SOLVING = 12  # bytes that a ridge takes, for each pair of inputs
ROOM = 2 * 2**30  # bytes for the matrices of one fit


def refitted(
    loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_], of: list[Projection], cut: range, patches: Patches
) -> tuple[float, Patches]:
    """The ridge's strength, of the MLP's, and the projections before a cut with what it takes to make up for it.

    Args:
        loaded: the model; left as found.
        ids: sequences to fit on (sequences, length).
        mask: (players,), True where a player is kept.
        of: projections (`changed_by`), of which those of the block before the cut are changed.
        cut: removed blocks.
        patches: what earlier cuts have changed.
    """
    changed = [projection for projection in of if projection.block == cut.start - 1]
    if not changed:  # before the first block there is none
        return 0.0, {}
    *mixers, last = changed
    aims = [leaving(loaded, part, cut.stop - 1)[0] for part in torch.split(ids, AT_ONCE)]

    def grams(some: Sequence[Projection], others: Patches) -> list[Gram]:
        with playing(loaded, mask), patched(loaded.model, {**patches, **others}):
            return _grams(loaded, ids, aims, some)

    moved: Patches = {}
    if mixers:
        together = SOLVING * sum(projection.inputs for projection in changed) ** 2 <= ROOM
        some = changed if together else mixers
        change, _ = cross_validated(grams(some, {}), some[-1].has_bias)
        for mixer in mixers:
            moved |= mixer.added(torch.from_numpy(change[: mixer.inputs]))
            change = change[mixer.inputs :]
    change, strength = cross_validated(grams([last], moved), last.has_bias)
    return strength, {**moved, **last.added(torch.from_numpy(change))}


def _grams(
    loaded: LoadedModel, ids: torch.Tensor, aims: Sequence[torch.Tensor], of: Sequence[Projection]
) -> list[Gram]:
    """The sums for a regression of what a hidden state lacks on what enters some projections of one block, by folds."""
    folds: list[Gram] = []
    modules, bias = [projection.module for projection in of], of[-1].has_bias
    for number, (part, aim) in enumerate(zip(torch.split(ids, AT_ONCE), aims, strict=True)):
        pruned, entered = leaving(loaded, part, of[0].block, modules)
        h, target = (state.reshape(-1, state.shape[-1]).float() for state in (pruned, aim.to(pruned.device)))
        x = torch.cat([one.reshape(len(h), -1).float() for one in entered], dim=1)
        if not folds:
            folds = [Gram(x.shape[1], h.shape[1], x.device, bias) for _ in range(_FOLDS)]
        # The first token's state is a hundred times as long as the others', and would be all that counts.
        folds[number % _FOLDS].add(x, target - h, 1 / h.square().sum(dim=1).clamp_min(1e-12))
    return folds
