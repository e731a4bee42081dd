"""How alike the hidden states at different depths are: one forward of the whole model, which many criteria need.

A run of layers l..l+w-1 that hardly turns the hidden state looks dispensable: its input and its output point the same
way. ShortGPT ranks single layers so (arXiv 2403.03853), the angular criterion windows of them (arXiv 2403.17887), and
the search of `core.selection.search` begins with what it says about every run.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from core.coalitions.measurements import Floats
from core.model.blocks import hidden_of
from core.model.model import LoadedModel

_AT_ONCE = 8


@dataclass(frozen=True)
class Similarity:
    """Between the states before layers a and b; state n is the one after the last layer, before the final norm."""

    cosine: Floats  # (n + 1, n + 1), mean over all tokens
    angle: Floats  # (n + 1, n + 1), angular distance / pi at each sequence's last token, mean over sequences


def similarity(loaded: LoadedModel, ids: torch.Tensor) -> Similarity:
    """Measures it on token ids (sequences, length). It computes every layer, and no head that counts."""
    cosine, angle = [], []
    for part in torch.split(ids, _AT_ONCE):
        states = _states(loaded, part.to(loaded.info.device))
        each = torch.stack([cosine_similarity(state, states, dim=-1) for state in states])  # (n+1, n+1, b, t)
        cosine += list(each.mean(dim=-1).unbind(-1))
        angle += list((each[..., -1].clamp(-1, 1).arccos() / torch.pi).unbind(-1))
    return Similarity(*(torch.stack(found).mean(dim=0).cpu().double().numpy() for found in (cosine, angle)))


def _states(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    """The hidden states before each block and after the last, (n + 1, sequences, length, width) in fp32."""
    states: list[torch.Tensor] = []

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = hidden_of(args, kwargs)
        assert hidden is not None  # find_blocks has seen it
        states.append(loaded.blocks.skip(len(states), hidden).float())

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        states.append(loaded.blocks.hidden_in(output).float())

    handles = [block.register_forward_pre_hook(before, with_kwargs=True) for block in loaded.blocks.modules]
    handles.append(loaded.blocks.modules[-1].register_forward_hook(after))
    try:
        with torch.inference_mode():
            loaded.model.base_model(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack([state.to(states[0].device) for state in states])  # blocks may lie on several
