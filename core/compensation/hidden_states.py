"""Hidden states at one depth, by the model's own forward, which ends there."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import torch
from torch import nn

from core.model.model import LoadedModel

AT_ONCE = 4  # sequences in a forward


class _Enough(Exception):
    """What was looked for is there."""


def leaving(
    loaded: LoadedModel, ids: torch.Tensor, block: int, projections: Sequence[nn.Module] = ()
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The hidden state that leaves a block, (sequences, length, width), and what enters each of some matrices in it.

    Args:
        loaded: the model, under whatever skips blocks of it.
        ids: token ids (sequences, length).
        block: its place.
        projections: modules of that block.
    """
    entered: dict[nn.Module, torch.Tensor] = {}
    left: list[torch.Tensor] = []

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        entered[module] = args[0]

    def after(_: nn.Module, __: Any, output: Any) -> None:
        left.append(loaded.blocks.hidden_in(output))
        raise _Enough

    with ExitStack() as hooked, torch.inference_mode():
        hooked.callback(loaded.blocks.modules[block].register_forward_hook(after).remove)
        for projection in projections:
            hooked.callback(projection.register_forward_pre_hook(before).remove)
        with suppress(_Enough):
            loaded.model.base_model(input_ids=ids.to(loaded.info.device), use_cache=False)
    return left[0], [entered[projection] for projection in projections]


def entering(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    """The hidden state that enters the first block, (sequences, length, width)."""
    found: list[torch.Tensor] = []

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.append(args[0] if args else kwargs["hidden_states"])
        raise _Enough

    with ExitStack() as hooked, torch.inference_mode(), suppress(_Enough):
        hooked.callback(loaded.blocks.modules[0].register_forward_pre_hook(before, with_kwargs=True).remove)
        loaded.model.base_model(input_ids=ids.to(loaded.info.device), use_cache=False)
    return loaded.blocks.skip(0, found[0])


def growth(loaded: LoadedModel, ids: torch.Tensor, begin: int, end: int) -> float:
    """How much larger the hidden state is behind the blocks [begin, end) than before them.

    The mean over sequences and channels of mean |h_end| / mean |h_begin| over tokens (Prune&Comp, arXiv 2507.18212).
    """
    ratios = []
    for part in torch.split(ids, AT_ONCE):
        after, _ = leaving(loaded, part, end - 1)
        before = leaving(loaded, part, begin - 1)[0] if begin else entering(loaded, part)
        sizes = [state.float().abs().mean(dim=1) for state in (after, before)]  # of each sequence and channel
        ratios.append((sizes[0].to(sizes[1].device) / sizes[1].clamp_min(1e-12)).mean(dim=1))
    return float(torch.cat(ratios).cpu().double().mean())
