"""A decoder's blocks, found by looking at the model and confirmed by one small forward.

No table of architectures: the blocks are the module list that holds the most parameters, and they are believed only
after a forward has shown that each is called once, in order, and hands a hidden state of one shape to the next.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from core.errors import NotCausal, UnsupportedModel

_PROBE_TOKENS = 6


@dataclass(frozen=True)
class Blocks:
    """The decoder's blocks, in the order in which the hidden state passes through them."""

    path: str  # dotted name of their list inside the model, for example `model.layers`
    modules: tuple[nn.Module, ...]
    tuples: bool  # a block returns (hidden, something) instead of the hidden state alone

    def __len__(self) -> int:
        return len(self.modules)


def find_blocks(model: PreTrainedModel) -> Blocks:
    """The blocks of `model`.

    Raises:
        UnsupportedModel: no list of blocks, or blocks that do not pass one hidden state along.
        NotCausal: a later token changes the prediction at an earlier one.
    """
    lists = [
        (sum(weight.numel() for weight in module.parameters()), name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 0
    ]
    if not lists:
        raise _unsupported(model, "it holds no list of blocks")
    # A list of experts inside a block has fewer parameters than the list of blocks around it; max() keeps the first.
    _, name, module = max(lists, key=lambda item: item[0])
    blocks = tuple(module)
    return Blocks(name, blocks, tuples=_probe(model, blocks))


def hidden_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """The hidden state among the arguments of a block's call: the first one, or the one of that name."""
    hidden = args[0] if args else kwargs.get("hidden_states")
    return hidden if isinstance(hidden, torch.Tensor) else None


def _probe(model: PreTrainedModel, blocks: tuple[nn.Module, ...]) -> bool:
    """Two small forwards that differ in the last token: checks the blocks' calls and causality, tells `tuples`."""
    calls: list[tuple[int, torch.Size | None, torch.Size | None, bool]] = []

    def record(index: int) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before, after = hidden_of(args, kwargs), output[0] if isinstance(output, tuple) else output
            shapes = [part.shape if isinstance(part, torch.Tensor) else None for part in (before, after)]
            calls.append((index, shapes[0], shapes[1], isinstance(output, tuple)))

        return hook

    handles = [block.register_forward_hook(record(index), with_kwargs=True) for index, block in enumerate(blocks)]
    device = "cpu" if model.device.type == "meta" else model.device  # offloaded: its hooks move what comes in
    ids = torch.arange(_PROBE_TOKENS, device=device).remainder(model.config.get_text_config().vocab_size)
    other = ids.clone()
    other[-1] = 0
    try:
        with torch.inference_mode():
            first = model(input_ids=ids[None], use_cache=False).logits[0]
            seen = list(calls)
            second = model(input_ids=other[None], use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    if [index for index, *_ in seen] != list(range(len(blocks))):
        raise _unsupported(model, "its blocks are not called once each, in order")
    shapes = {shape for _, before, after, _ in seen for shape in (before, after)}
    tuples = {is_tuple for *_, is_tuple in seen}
    if len(shapes) != 1 or None in shapes or len(tuples) != 1:
        raise _unsupported(model, "its blocks do not pass one hidden state of one shape along")
    # Equal to rounding: some kernels choose their order of summation by the content of a batch.
    if not torch.allclose(first[:-1], second[:-1], rtol=1e-3, atol=1e-3, equal_nan=True):
        raise NotCausal(
            f"{type(model).__name__} sees later tokens when it predicts a token, so it has no perplexity.",
            "Use a causal (decoder-only) language model.",
        )
    return tuples.pop()


def _unsupported(model: PreTrainedModel, reason: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{type(model).__name__} cannot be taken apart: {reason}.",
        "Use a model whose decoder is one list of residual blocks, such as Llama, Qwen, Mistral, Gemma or GPT-2.",
    )
