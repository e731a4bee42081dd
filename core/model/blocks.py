"""A decoder's blocks, found by looking at the model and confirmed by small forwards.

No table of architectures: the blocks are the module list that holds the most parameters, and they are believed only
after a forward has shown that each is called once, in order, and hands a hidden state of one shape to the next.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from core.errors import NotCausal, UnsupportedModel

# Some kernels differ where the length can be divided: xLSTM's by eight.
_PROBE_TOKENS = 8
# What the first block does to the embedding, and only the first one has: it is done as well when that block is dropped.
# RWKV normalises the embedding there; that this is no part of the block cannot be seen from outside.
ENTRY = "pre_ln"

Argument = int | str  # of a block's call, by place or name


@dataclass(frozen=True)
class Blocks:
    """The decoder's blocks, in the order in which the hidden state passes through them."""

    path: str  # dotted name of their list inside the model, for example `model.layers`
    modules: tuple[nn.Module, ...]
    answers: int  # how many values a block returns in a tuple or list, the hidden state first; 0: that alone
    entry: nn.Module | None = None  # what the first block does to the embedding, kept or dropped
    # What else passes from block to block, such as a router's state: place in the tuple, and the argument it becomes.
    carried: tuple[tuple[int, Argument], ...] = ()
    width: int = 0  # numbers that a hidden state has for each token, at most

    def __len__(self) -> int:
        return len(self.modules)

    def skip(self, index: int, hidden: torch.Tensor) -> torch.Tensor:
        """What leaves block `index` when it is dropped: its input."""
        if index == 0 and self.entry is not None:
            entered: torch.Tensor = self.entry(hidden)
            return entered
        return hidden

    def returned(self, hidden: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a block that does not compute returns for its arguments: a hidden state, and what else it hands on."""
        if not self.answers:
            return hidden
        answer = [hidden, *[None] * (self.answers - 1)]
        for place, argument in self.carried:
            answer[place] = _arguments(args, kwargs).get(argument)
        return tuple(answer)

    def hidden_in(self, output: Any) -> torch.Tensor:
        """The hidden state that a block returned."""
        hidden: torch.Tensor = output[0] if self.answers else output
        return hidden


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
        raise unsupported(model, "it holds no list of blocks")
    called = _called(model, [module for *_, module in lists])
    # A list of experts inside a block has fewer parameters than the list of blocks around it; max() keeps the first.
    # A tower for pictures or sound may have more, and no text passes through it.
    _, name, module = max(lists, key=lambda item: (item[2] in called, item[0]))
    blocks = tuple(module)
    entry = getattr(blocks[0], ENTRY, None)
    answers, carried, width = _probe(model, blocks)
    return Blocks(name, blocks, answers, entry if isinstance(entry, nn.Module) else None, carried, width)


def _called(model: PreTrainedModel, lists: list[nn.ModuleList]) -> list[nn.ModuleList]:
    """Those lists of which a forward of text calls every item."""
    if len(lists) == 1:
        return lists
    seen: set[nn.Module] = set()
    handles = [
        item.register_forward_pre_hook(lambda module, _: seen.add(module)) for module in lists for item in module
    ]
    try:
        with torch.inference_mode():
            model(input_ids=probe_ids(model)[None], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return [module for module in lists if seen.issuperset(module)]


def probe_ids(model: PreTrainedModel, tokens: int = _PROBE_TOKENS) -> torch.Tensor:
    """A few token ids (tokens,), for forwards that only look at how the model works."""
    device = "cpu" if model.device.type == "meta" else model.device  # offloaded: its hooks move what comes in
    return torch.arange(tokens, device=device).remainder(model.config.get_text_config().vocab_size)


def hidden_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """The hidden state among the arguments of a block's call: the first one, or the one of that name."""
    hidden = args[0] if args else kwargs.get("hidden_states")
    return hidden if isinstance(hidden, torch.Tensor) else None


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Argument, Any]:
    given: dict[Argument, Any] = dict(enumerate(args))
    given.update(kwargs)
    return given


def _carried(given: list[dict[Argument, Any]], outputs: list[Any]) -> tuple[tuple[int, Argument], ...]:
    """Which further answers of every block are, as the same tensor, an argument of the next one."""
    found = [
        {
            (place, argument)
            for place, answer in enumerate(output if isinstance(output, tuple | list) else ())
            for argument, value in following.items()
            if place and isinstance(answer, torch.Tensor) and value is answer
        }
        for output, following in zip(outputs, given[1:], strict=False)
    ]
    return tuple(sorted(set.intersection(*found), key=str)) if found else ()


def _probe(model: PreTrainedModel, blocks: tuple[nn.Module, ...]) -> tuple[int, tuple[tuple[int, Argument], ...], int]:
    """Two small forwards that differ in the last token: checks the blocks' calls and causality.

    Returns:
        `answers`, `carried` and `width` of the blocks.
    """
    calls: list[tuple[int, torch.Size | None, torch.Size | None, int]] = []
    given: list[dict[Argument, Any]] = []
    outputs: list[Any] = []

    def record(index: int) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            several = type(output) in (tuple, list)  # one with names of its own is handed on by them
            before, after = hidden_of(args, kwargs), output[0] if several else output
            shapes = [part.shape if isinstance(part, torch.Tensor) else None for part in (before, after)]
            calls.append((index, shapes[0], shapes[1], len(output) if several else 0))
            given.append(_arguments(args, kwargs))
            outputs.append(output)

        return hook

    handles = [block.register_forward_hook(record(index), with_kwargs=True) for index, block in enumerate(blocks)]
    ids = probe_ids(model)
    other = ids.clone()
    other[-1] = 0
    try:
        with torch.inference_mode():
            first = model(input_ids=ids[None], use_cache=False).logits[0]
            seen, carried = list(calls), _carried(given[: len(blocks)], outputs[: len(blocks)])
            second = model(input_ids=other[None], use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    if [index for index, *_ in seen] != list(range(len(blocks))):
        raise unsupported(model, _out_of_order([index for index, *_ in seen], len(blocks)))
    shapes = {shape for _, before, after, _ in seen for shape in (before, after)}
    answers = {answer for *_, answer in seen}
    shape = shapes.pop()
    if shapes or shape is None or len(answers) != 1:
        raise unsupported(model, "its blocks do not pass one hidden state of one shape along")
    # Equal to rounding: some kernels choose their order of summation by the content of a batch.
    if not torch.allclose(first[:-1], second[:-1], rtol=1e-3, atol=1e-3, equal_nan=True):
        raise NotCausal(
            f"{type(model).__name__} sees later tokens when it predicts a token, so it has no perplexity.",
            "Use a causal (decoder-only) language model.",
        )
    return answers.pop(), carried, math.ceil(shape.numel() / len(ids))


def _out_of_order(called: list[int], blocks: int) -> str:
    """What is the matter with the calls of blocks that are not called once each, in order."""
    uncalled = sorted(set(range(blocks)) - set(called))
    if uncalled:
        numbers = ", ".join(map(str, uncalled))
        return f"no text passes through block {numbers} of its {blocks}, as where those attend to pictures"
    if len(called) > blocks:
        return f"its {blocks} blocks are called {len(called)} times, as where hidden states go round and round"
    return "its blocks are not called in the order of their list"


def unsupported(model: PreTrainedModel, reason: str) -> UnsupportedModel:
    """The error that names why a model's blocks cannot be told apart, skipped or deleted."""
    return UnsupportedModel(
        f"{type(model).__name__} cannot be taken apart: {reason}.",
        "Use a model whose decoder is one list of residual blocks, such as Llama, Qwen, Mistral, Gemma or GPT-2.",
    )
