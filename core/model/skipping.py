"""Blocks that answer otherwise than by computing, for as long as a `with` statement lasts.

A dropped block is skipped, not zeroed: its forward is replaced by one that hands its input on, inside the model's own
forward. Every other block keeps its index, its attention mask and its position inputs, so that this is exact for
models whose layers differ.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from core.model.blocks import Blocks, hidden_of, probe_ids, unsupported

Answer = Callable[[torch.Tensor], torch.Tensor]
# What a model's code raises where it misses what an earlier block was to leave behind.
FAILURES = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def answering(blocks: Blocks, answers: dict[int, Answer]) -> AbstractContextManager[None]:
    """Lets block i answer `answers[i](hidden)`, in the form in which this model's blocks return it."""
    return replaced([(blocks.modules[index], _forward(answer, blocks)) for index, answer in answers.items()])


def skipping(blocks: Blocks, mask: NDArray[np.bool_]) -> AbstractContextManager[None]:
    """Skips the blocks that `mask` (blocks,) does not keep."""
    return answering(blocks, {int(index): partial(blocks.skip, int(index)) for index in np.flatnonzero(~mask)})


def check_skipping(model: PreTrainedModel, blocks: Blocks) -> None:
    """Small forwards with one block alone in each: together what one whole forward takes, and no head.

    Raises:
        UnsupportedModel: a block cannot do without an earlier one, as where some reuse the keys and values of another.
    """
    for alone in range(len(blocks)):
        try:
            with torch.inference_mode(), skipping(blocks, np.arange(len(blocks)) == alone):
                model.base_model(input_ids=probe_ids(model)[None], use_cache=False)
        except FAILURES as cause:
            raise unsupported(model, _missed(model, alone, cause)) from cause


def _missed(model: PreTrainedModel, block: int, cause: Exception) -> str:
    """Why a block cannot do without earlier ones, as far as the configuration says."""
    config = model.config.get_text_config(decoder=True)
    if sharing := getattr(config, "num_kv_shared_layers", 0):
        return f"its last {sharing} blocks reuse keys and values of earlier ones, which then cannot be dropped"
    if "shared" in (getattr(config, "indexer_types", None) or ()):
        return "some blocks attend to the tokens that an earlier one has chosen, which then cannot be dropped"
    return (
        f"block {block} needs more of earlier ones than the hidden state, so that those cannot be dropped"
        f" ({type(cause).__name__}: {str(cause).strip()[:100]})"
    )


def _forward(answer: Answer, blocks: Blocks) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden = hidden_of(args, kwargs)
        assert hidden is not None  # find_blocks has seen every block receive one
        return blocks.returned(answer(hidden), args, kwargs)

    return forward


Forward = Callable[..., Any]


@contextmanager
def replaced(forwards: Sequence[tuple[nn.Module, Forward]]) -> Iterator[None]:
    """Gives each module the forward beside it."""
    found = [(module, vars(module).get("forward")) for module, _ in forwards]
    try:
        for module, forward in forwards:
            vars(module)["forward"] = forward
        yield
    finally:
        for module, own in found:
            if own is None:
                vars(module).pop("forward", None)
            else:  # accelerate and others put a forward of their own on a module
                vars(module)["forward"] = own
