"""What is done to a model beside removing blocks: other weights, or matrices that the hidden state goes through."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from core.compensation.projections import patched
from core.model.model import LoadedModel


@dataclass(frozen=True)
class Repair:
    """Weights that other loaders read as they are, and matrices for which a plain model has no place."""

    patches: Mapping[str, torch.Tensor] = field(default_factory=dict)  # parameters, by their names in the model
    # By a removed block, what the hidden state is multiplied by where that block was: h M, M (width, width).
    matrices: Mapping[int, torch.Tensor] = field(default_factory=dict)


@contextmanager
def repaired(loaded: LoadedModel, repair: Repair) -> Iterator[None]:
    """The model with a repair, for as long as a `with` statement lasts; blocks are skipped elsewhere."""
    with ExitStack() as held:
        held.enter_context(patched(loaded.model, repair.patches))
        for block, matrix in repair.matrices.items():
            hook = partial(_multiplied, loaded, matrix)
            held.callback(loaded.blocks.modules[block].register_forward_hook(hook).remove)
        yield


def _multiplied(loaded: LoadedModel, matrix: torch.Tensor, _: nn.Module, __: Any, output: Any) -> Any:
    """A block's answer with its hidden state multiplied, in float32, by a matrix."""
    hidden = loaded.blocks.hidden_in(output)
    moved = (hidden.float() @ matrix.to(hidden.device)).to(hidden.dtype)
    return (moved, *output[1:]) if loaded.blocks.answers else moved
