"""A few sequences, and the hidden states along the last mask that they were evaluated under.

What surrounds the blocks (embedding, attention masks, rotary inputs, final norm, head, any scaling of logits) is the
model's own forward, in which the blocks answer without computing; the blocks are called with the very arguments that
this forward gives them.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.evaluate.losses import sequence_kl, sequence_nll
from core.model.blocks import hidden_of, probe_ids
from core.model.masked import halved, playing
from core.model.model import LoadedModel
from core.model.skipping import FAILURES, answering

# Of the proof that a hidden state is all: tokens, coalitions, and how far apart, relatively, two losses may be that are
# computed in the same order.
_PROVING, _COALITIONS, _ROUNDING = 32, 12, 1e-5
# What was proved of the models in memory, by their players.
_proved: "WeakKeyDictionary[torch.nn.Module, dict[tuple[str, ...], bool]]" = WeakKeyDictionary()

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Batch:
    """Sequences `ids` (sequences, length) on the model's device."""

    def __init__(
        self, loaded: LoadedModel, ids: torch.Tensor, at_once: int, *, keep: bool, keep_reference: bool = False
    ) -> None:
        """Takes sequences whose logits may exist for `at_once` of them at a time.

        `keep` allows one hidden state for each depth; without it, every mask is a plain forward. `keep_reference`
        allows the whole model's log probabilities; without it, they are computed again for each divergence.
        """
        self.keeps_reference = keep_reference
        self._loaded = loaded
        self._ids = ids
        self._at_once = at_once
        self._keep = keep
        self._kept = np.zeros((0, 2), dtype=np.bool_)  # the halves of blocks that led to the last of the states
        if keep:
            self._states, self._calls = self._record()

    def losses(self, mask: NDArray[np.bool_]) -> torch.Tensor:
        """The mean NLL of each sequence under a mask (players,), (sequences,) on the device."""
        return torch.cat([sequence_nll(logits, ids) for ids, logits in self._logits(mask)])

    def with_divergences(self, mask: NDArray[np.bool_]) -> torch.Tensor:
        """The mean NLL of each sequence, and its mean KL from the whole model's predictions, (2, sequences)."""
        found = [
            torch.stack([sequence_nll(logits, ids), sequence_kl(logits, reference)])
            for (ids, logits), reference in zip(self._logits(mask), self._reference(), strict=True)
        ]
        return torch.cat(found, dim=1)

    def _reference(self) -> Iterable[torch.Tensor]:
        """The whole model's log probabilities, chunk by chunk."""
        return self._kept_reference if self.keeps_reference else self._predictions()

    @cached_property
    def _kept_reference(self) -> list[torch.Tensor]:
        return list(self._predictions())

    def _predictions(self) -> Iterator[torch.Tensor]:
        whole = np.ones(len(self._loaded.info.players), dtype=np.bool_)
        logits = self._head(self._whole) if self._keep else self._logits(whole)
        return (F.log_softmax(part, dim=-1, dtype=torch.float32) for _, part in logits)

    @cached_property
    def _whole(self) -> torch.Tensor:
        """The whole model's last hidden state: its predictions in the smallest form, one head away."""
        return self._follow(np.ones(len(self._loaded.info.players), dtype=np.bool_))

    def _logits(self, mask: NDArray[np.bool_]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Token ids and logits, for as many sequences at a time as may have logits at once."""
        if self._keep:
            yield from self._head(self._follow(mask))
            return
        for ids in torch.split(self._ids, self._at_once):
            with playing(self._loaded, mask):
                logits = self._loaded.model(input_ids=ids, use_cache=False).logits
            yield ids, logits

    def _head(self, state: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """What the model's own forward makes of a last hidden state."""
        blocks = self._loaded.blocks
        answers = dict.fromkeys(range(len(blocks)), _pass_on)
        for ids, part in zip(torch.split(self._ids, self._at_once), torch.split(state, self._at_once), strict=True):
            with answering(blocks, {**answers, 0: partial(_give, part)}):
                logits = self._loaded.model(input_ids=ids, use_cache=False).logits
            yield ids, logits

    def _follow(self, mask: NDArray[np.bool_]) -> torch.Tensor:
        """The hidden state after the last layer, computed from where `mask` leaves the one before."""
        kept, known = self._loaded.kept(mask), len(self._kept)
        same = (self._kept == kept[:known]).all(axis=1)
        shared = int(np.argmin(np.append(same, False)))
        self._kept = kept[:shared]  # true whenever what follows is interrupted
        del self._states[shared + 1 :]
        with halved(self._loaded, kept):
            for depth in range(shared, len(kept)):
                state = self._states[-1]
                stays = kept[depth].any()
                self._states.append(self._block(depth, state) if stays else self._loaded.blocks.skip(depth, state))
        self._kept = kept
        return self._states[-1]

    def _block(self, index: int, hidden: torch.Tensor) -> torch.Tensor:
        args, kwargs = self._calls[index]
        if args:
            args = (hidden, *args[1:])
        else:
            kwargs = {**kwargs, "hidden_states": hidden}
        blocks = self._loaded.blocks
        return blocks.hidden_in(blocks.modules[index](*args, **kwargs))

    def _record(self) -> tuple[list[torch.Tensor], list[Call]]:
        """The hidden state that enters the first block, and the arguments of each block's call."""
        with (
            torch.inference_mode(),
            answering(self._loaded.blocks, dict.fromkeys(range(len(self._loaded.blocks)), _pass_on)),
        ):
            calls = _calls(self._loaded, self._ids)
        start = hidden_of(*calls[0])
        assert start is not None  # find_blocks has seen it
        return [start], calls


def hidden_state_is_all(loaded: LoadedModel) -> bool:
    """Whether a hidden state is all that a block hands on to those after it, so that prefixes can be shared.

    Some families hand on more: a stack of earlier states, keys and values, what a router has chosen. On a short
    sequence, every tensor that a block is given is the same whether the blocks before it compute or not; and the whole
    model, no model, and coalitions of all sizes have the losses of the model's own forwards. Found once a model.
    """
    known = _proved.setdefault(loaded.model, {})
    if loaded.info.players not in known:
        with torch.inference_mode():
            known[loaded.info.players] = _prove(loaded)
    return known[loaded.info.players]


def _prove(loaded: LoadedModel) -> bool:
    ids = probe_ids(loaded.model, _PROVING)[None]
    try:
        batch = Batch(loaded, ids, 1, keep=True)
        if not all(map(_same, map(_given, _calls(loaded, ids)), map(_given, batch._calls))):
            return False
        players, draws = len(loaded.info.players), np.random.default_rng(0)
        sizes = np.linspace(0, players, _COALITIONS + 2).round().astype(int)
        for mask in draws.permuted(np.arange(players)[None] < sizes[:, None], axis=1):
            with playing(loaded, mask):
                own = sequence_nll(loaded.model(input_ids=ids, use_cache=False).logits, ids)
            if not torch.allclose(batch.losses(mask), own, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
                return False
    except FAILURES:
        return False
    return True


def _calls(loaded: LoadedModel, ids: torch.Tensor) -> list[Call]:
    """The arguments of each block's call in the model's own forward, and of the blocks alone."""
    calls: list[Call] = []
    handles = [
        block.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
        for block in loaded.blocks.modules
    ]
    try:
        loaded.model.base_model(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _given(call: Call) -> Any:
    """What a block is given beside the hidden state."""
    args, kwargs = call
    return args[1:] if args else (), {name: value for name, value in kwargs.items() if args or name != "hidden_states"}


def _same(one: Any, other: Any) -> bool:
    """Whether two arguments hold the same tensors; what else they hold is of no account here."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    return not isinstance(other, torch.Tensor)


def _pass_on(hidden: torch.Tensor) -> torch.Tensor:
    """The answer of a block that does not count: its input."""
    return hidden


def _give(state: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """The answer of a block that has been computed elsewhere."""
    return state
