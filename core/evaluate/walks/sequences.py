"""A few sequences on the model's device, and what the model's own forward makes of them around its blocks.

What surrounds the blocks (embedding, attention masks, rotary inputs, final norm, head, any scaling of logits) is the
model's own forward, in which the blocks answer without computing; the blocks are called with the very arguments that
this forward gives them. Where several hidden states go through a block together, these are the arguments for as many
copies of the sequences, one after the other.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache

from core.model.blocks import hidden_of
from core.model.model import LoadedModel
from core.model.skipping import Answer, answering


class Call(NamedTuple):
    """What a block is called with, and where among that the hidden state belongs."""

    args: tuple[Any, ...]  # behind the hidden state, where that comes first
    kwargs: dict[str, Any]
    first: bool  # the hidden state is no keyword


class Sequences:
    """Sequences `ids` (sequences, length) on the model's device."""

    def __init__(self, loaded: LoadedModel, ids: torch.Tensor, at_once: int) -> None:
        """Takes sequences of which `at_once` may have logits at a time."""
        self.loaded, self.ids, self.at_once = loaded, ids, at_once
        self._calls: dict[int, list[Call]] = {}  # by how many states go through a block together
        self.start = self._record(1)  # what enters the first block

    def block(self, index: int, states: list[torch.Tensor]) -> list[torch.Tensor]:
        """What block `index` makes of hidden states, each (sequences, …), in one call.

        The call is for a power of two of them, so that few shapes occur; what is lacking is filled up with the last.
        """
        many = 1 << (len(states) - 1).bit_length()
        hidden = joined(states + states[-1:] * (many - len(states)))
        found = called(self.loaded, index, self.calls(many)[index], hidden)
        if many == 1:
            return [found]
        rows = len(self.start)  # copies, so that a state that is not needed any more gives its memory back
        return list(torch.ops.aten.split_with_sizes_copy(found[: len(states) * rows], [rows] * len(states)))

    def head(self, states: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """What the model makes of last hidden states (states x sequences, …): token ids and logits, in parts."""
        ids = self.ids.repeat(len(states) // len(self.start), 1)
        for here, part in zip(torch.split(ids, self.at_once), torch.split(states, self.at_once), strict=True):
            yield here, logits_of(self.loaded, here, part)

    def calls(self, many: int) -> list[Call]:
        """The arguments of each block's call for `many` states together."""
        if many not in self._calls:
            self._record(many)
        return self._calls[many]

    def _record(self, many: int) -> torch.Tensor:
        start, self._calls[many] = entering(self.loaded, self.ids.repeat(many, 1))
        return start


def joined(states: list[torch.Tensor]) -> torch.Tensor:
    """Hidden states one behind the other, on the device of the first: blocks may lie on several."""
    return torch.cat([state.to(states[0].device) for state in states]) if len(states) > 1 else states[0]


def called(loaded: LoadedModel, index: int, call: Call, hidden: torch.Tensor) -> torch.Tensor:
    """What block `index` makes of a hidden state."""
    block = loaded.blocks.modules[index]
    output = block(hidden, *call.args, **call.kwargs) if call.first else block(**call.kwargs, hidden_states=hidden)
    return loaded.blocks.hidden_in(output)


def logits_of(loaded: LoadedModel, ids: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """What the model makes of a last hidden state (sequences, length, …) of sequences `ids`: logits."""
    answers: dict[int, Answer] = dict.fromkeys(range(len(loaded.blocks)), _pass_on)
    with answering(loaded.blocks, {**answers, 0: partial(_give, state)}):
        logits: torch.Tensor = loaded.model(input_ids=ids, use_cache=False).logits
    return logits


def entering(loaded: LoadedModel, ids: torch.Tensor, cache: Cache | None = None) -> tuple[torch.Tensor, list[Call]]:
    """As `calls_of`, in a forward in which no block computes."""
    with torch.inference_mode(), answering(loaded.blocks, dict.fromkeys(range(len(loaded.blocks)), _pass_on)):
        return calls_of(loaded, ids, cache)


def calls_of(loaded: LoadedModel, ids: torch.Tensor, cache: Cache | None = None) -> tuple[torch.Tensor, list[Call]]:
    """What enters the first block in the model's own forward, and the arguments of each block's call.

    Args:
        loaded: the model.
        ids: token ids (sequences, length).
        cache: of what the sequences follow; it is among the arguments.
    """
    entered: list[torch.Tensor] = []
    calls: list[Call] = []

    def note(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not entered:
            start = hidden_of(args, kwargs)
            assert start is not None  # find_blocks has seen it
            entered.append(start)
        rest = {name: value for name, value in kwargs.items() if args or name != "hidden_states"}
        calls.append(Call(args[1:], rest, bool(args)))

    handles = [block.register_forward_pre_hook(note, with_kwargs=True) for block in loaded.blocks.modules]
    try:
        past = {} if cache is None else {"past_key_values": cache}
        loaded.model.base_model(input_ids=ids, use_cache=cache is not None, **past)
    finally:
        for handle in handles:
            handle.remove()
    return entered[0], calls


def _pass_on(hidden: torch.Tensor) -> torch.Tensor:
    """The answer of a block that does not count: its input."""
    return hidden


def _give(state: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """The answer of a block that has been computed elsewhere."""
    return state
