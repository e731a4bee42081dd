"""Only some of the players take part, for as long as a `with` statement lasts; inside the model's own forward."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
from numpy.typing import NDArray
from torch import nn

from core.coalitions.players import computed
from core.model.model import LoadedModel
from core.model.skipping import skipping
from core.model.sublayers import silenced


@contextmanager
def playing(loaded: LoadedModel, mask: NDArray[np.bool_]) -> Iterator[None]:
    """Switches off the players that `mask` (players,) does not keep.

    A block of which nobody is left is skipped; of a block that has lost one half, the other one computes.
    """
    kept = loaded.kept(mask)
    with skipping(loaded.blocks, computed(kept)), halved(loaded, kept):
        yield


def halved(loaded: LoadedModel, kept: NDArray[np.bool_]) -> AbstractContextManager[None]:
    """Lets the halves that are gone from blocks that stay, by `kept` (layers, 2), add nothing to the hidden state."""
    modules = missing_projections(loaded, kept, loaded.blocks.modules)
    return silenced(modules, loaded.halves[0].width if modules else 0)


def missing_projections(loaded: LoadedModel, kept: NDArray[np.bool_], blocks: Sequence[nn.Module]) -> list[nn.Module]:
    """The output projections of those halves, in the model's own blocks or in another copy of them."""
    return [
        blocks[block].get_submodule(name)
        for block, half in np.argwhere(~kept & kept.any(axis=1, keepdims=True))
        for name in loaded.halves[block].of(half)
    ]
