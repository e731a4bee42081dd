"""Blocks that answer otherwise than by computing, for as long as a `with` statement lasts.

A dropped block is skipped, not zeroed: its forward is replaced by one that hands its input on, inside the model's own
forward. Every other block keeps its index, its attention mask and its position inputs, so that this is exact for
models whose layers differ. Afterwards the model is as it was found.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.players import Blocks, hidden_of

Answer = Callable[[torch.Tensor], torch.Tensor]


def pass_on(hidden: torch.Tensor) -> torch.Tensor:
    """What a dropped block answers: its input."""
    return hidden


@contextmanager
def answering(blocks: Blocks, answers: dict[int, Answer]) -> Iterator[None]:
    """Lets block i answer `answers[i](hidden)`, in the form in which this model's blocks return it."""
    found = {index: vars(blocks.modules[index]).get("forward") for index in answers}
    try:
        for index, answer in answers.items():
            vars(blocks.modules[index])["forward"] = _forward(answer, blocks.tuples)
        yield
    finally:
        for index, forward in found.items():
            if forward is None:
                vars(blocks.modules[index]).pop("forward", None)
            else:  # accelerate and others put a forward of their own on a module
                vars(blocks.modules[index])["forward"] = forward


@contextmanager
def skipping(blocks: Blocks, mask: NDArray[np.bool_]) -> Iterator[None]:
    """Skips the blocks that `mask` (blocks,) does not keep."""
    with answering(blocks, {int(index): pass_on for index in np.flatnonzero(~mask)}):
        yield


def _forward(answer: Answer, tuples: bool) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden = hidden_of(args, kwargs)
        assert hidden is not None  # find_blocks has seen every block receive one
        return (answer(hidden), None) if tuples else answer(hidden)

    return forward
