"""Blocks that answer otherwise than by computing, for as long as a `with` statement lasts.

A dropped block is skipped, not zeroed: its forward is replaced by one that hands its input on, inside the model's own
forward. Every other block keeps its index, its attention mask and its position inputs, so that this is exact for
models whose layers differ.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.blocks import Blocks, hidden_of
from core.forwards import replaced

Answer = Callable[[torch.Tensor], torch.Tensor]


def pass_on(hidden: torch.Tensor) -> torch.Tensor:
    """What a dropped block answers: its input."""
    return hidden


def answering(blocks: Blocks, answers: dict[int, Answer]) -> AbstractContextManager[None]:
    """Lets block i answer `answers[i](hidden)`, in the form in which this model's blocks return it."""
    return replaced([(blocks.modules[index], _forward(answer, blocks.tuples)) for index, answer in answers.items()])


def skipping(blocks: Blocks, mask: NDArray[np.bool_]) -> AbstractContextManager[None]:
    """Skips the blocks that `mask` (blocks,) does not keep."""
    return answering(blocks, {int(index): pass_on for index in np.flatnonzero(~mask)})


def _forward(answer: Answer, tuples: bool) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden = hidden_of(args, kwargs)
        assert hidden is not None  # find_blocks has seen every block receive one
        return (answer(hidden), None) if tuples else answer(hidden)

    return forward
