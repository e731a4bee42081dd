"""An item on its way through a model's blocks: a hidden state of it, and where that tells of the continuations.

A block is called with the very arguments that the model's own forward gives it (`walks.sequences`), so that coalitions
which share a prefix of layers share what comes of it (`walks.walk`).
"""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import CacheLayerMixin, DynamicCache

from core.evaluate.walks.sequences import Call, Sequences, called, entering
from core.model.model import LoadedModel
from core.tasks.items import Tokens


class Spot(NamedTuple):
    """Where the logits of a continuation begin, among those of the tokens that are judged."""

    row: int
    at: int


class Alone:
    """Each context is read with what follows it, from its beginning, but for the last token.

    Texts that are the same are one, and a text that is the beginning of another is told by that one.
    """

    def __init__(self, loaded: LoadedModel, pairs: Sequence[tuple[Tokens, Tokens]]) -> None:
        texts = [(*context, *after)[:-1] for context, after in pairs]
        every = sorted(set(texts))
        begun = {text for text, after in pairwise(every) if after[: len(text)] == text}
        read = [text for text in dict.fromkeys(texts) if text not in begun]
        rows = {text: next(row for row, one in enumerate(read) if one[: len(text)] == text) for text in every}
        begin = min(len(context) for context, _ in pairs) - 1  # what stands before tells of no continuation
        self.loaded, self._begin = loaded, begin
        self.whole = padded(loaded, read)
        self.ids = self.whole[:, begin:]  # of the tokens that are judged
        self.spots = [Spot(rows[text], len(pair[0]) - 1 - begin) for text, pair in zip(texts, pairs, strict=True)]

    def enter(self) -> None:
        """Finds what enters the first block; before that, only plain forwards can be made."""
        self._sequences = Sequences(self.loaded, self.whole, len(self.whole))
        self.start = self._sequences.start

    def block(self, index: int, states: list[torch.Tensor]) -> list[torch.Tensor]:
        """What block `index` makes of hidden states."""
        return self._sequences.block(index, states)

    def judged(self, state: torch.Tensor) -> torch.Tensor:
        """What a last hidden state says of the tokens that are judged, (texts, tokens, …); of logits likewise."""
        return state[:, self._begin :]


class Shared:
    """The context is read once for all that may follow it: each block keeps its keys and values for them.

    One tensor holds the context's hidden state and, behind it, those of what follows: (1, tokens, width).
    """

    def __init__(self, loaded: LoadedModel, context: Tokens, continuations: Sequence[Tokens]) -> None:
        self.loaded, self._many, self._cut = loaded, len(continuations), len(context)
        rest = padded(loaded, [after[:-1] or after for after in continuations])
        self._begin, self._rest = padded(loaded, [context]), rest
        self.ids = torch.cat([self._begin[:, -1:].expand(len(rest), 1), rest], dim=1)
        self.spots = [Spot(row, 0) for row in range(len(rest))]

    def enter(self) -> None:
        """Finds what enters the first block, and what each block is called with."""
        self._before = DynamicCache(config=self.loaded.model.config)
        first, self._first = entering(self.loaded, self._begin, self._before)
        self._empty = deepcopy(self._before.layers)
        self._behind = deepcopy(self._before)
        nothing = torch.zeros(1, 1, self._cut, 1, dtype=self.loaded.model.dtype, device=self._begin.device)
        for index, layer in enumerate(self._empty):
            if isinstance(layer, CacheLayerMixin):  # it tells the model how long the context is
                self._behind.update(nothing, nothing, index)
        self._behind.batch_repeat_interleave(self._many)
        rest, self._after = entering(self.loaded, self._rest, self._behind)
        self.start = torch.cat([first, rest.reshape(1, -1, rest.shape[-1])], dim=1)

    def block(self, index: int, states: list[torch.Tensor]) -> list[torch.Tensor]:
        """What block `index` makes of one hidden state."""
        [state] = states
        layer = deepcopy(self._empty[index])
        self._before.layers[index] = self._behind.layers[index] = layer
        first = self._called(self._first, index, state[:, : self._cut])
        layer.batch_repeat_interleave(self._many)  # type: ignore[union-attr]
        rest = self._called(self._after, index, self._following(state))
        self._before.layers[index] = self._behind.layers[index] = self._empty[index]
        return [torch.cat([first, rest.reshape(1, -1, rest.shape[-1])], dim=1)]

    def judged(self, state: torch.Tensor) -> torch.Tensor:
        """What a last hidden state says of the tokens that are judged, (continuations, tokens, width)."""
        last = state[:, self._cut - 1 : self._cut]
        return torch.cat([last.expand(self._many, 1, last.shape[-1]), self._following(state)], dim=1)

    def _called(self, calls: Sequence[Call], index: int, hidden: torch.Tensor) -> torch.Tensor:
        return called(self.loaded, index, calls[index], hidden)

    def _following(self, state: torch.Tensor) -> torch.Tensor:
        return state[:, self._cut :].reshape(self._many, -1, state.shape[-1])


Reading = Alone | Shared


def padded(loaded: LoadedModel, rows: Sequence[Tokens]) -> torch.Tensor:
    """Rows as one tensor; what stands behind a row's end changes nothing before it."""
    longest = max(map(len, rows))
    ids: list[list[Any]] = [list(row) + [row[-1]] * (longest - len(row)) for row in rows]
    return torch.tensor(ids, device=loaded.info.device)
