"""How likely a model finds the continuations of an item.

An item goes through the model alone, whatever else is asked, so that no answer depends on how many there are, on their
order, or on who measures them: sums of other batches differ in their last bits, and accuracies with them. What its
continuations follow is read once for all of them, where a cache of keys and values is proved to change nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.evaluate.limits import ACCELERATOR, CPU
from core.model.blocks import probe_ids
from core.model.model import LoadedModel
from core.model.skipping import FAILURES
from core.records.behaviour.task_scores import Answer
from core.tasks.items import Item, Tokens
from core.writing.token_reader import TokenReader, rounding

# Reading in two steps pays from so many times fewer tokens on: of 135 M parameters, on two busy cores, it was 1.2 times
# as fast at 2.8 times fewer (ARC), and .75 at 1.3 (PIQA).
_WORTH = 1.5
_PROOF, _MORE = 12, 5  # tokens of the context, and of the longest continuation, on which sharing is proved


class Likelihoods:
    """Answers items with some players of a model."""

    def __init__(self, loaded: LoadedModel, mask: NDArray[np.bool_]) -> None:
        """`mask` (players,) is True where a player is kept."""
        self._loaded, self._mask = loaded, mask
        _, self._most = CPU if loaded.info.device == "cpu" else ACCELERATOR
        self._shares = self._proved()

    def answer(self, item: Item) -> Answer:
        """What the model says of an item's continuations."""
        if self._shares and _saved(item) >= _WORTH:
            rows = self._shared(item.tokens[0][0], [continuation for _, continuation in item.tokens])
        else:
            rows = self._whole(item.tokens)
        found = [_of(logits, continuation) for logits, (_, continuation) in zip(rows, item.tokens, strict=True)]
        return Answer(tuple(likelihood for likelihood, _ in found), tuple(greedy for _, greedy in found))

    def _whole(self, pairs: Sequence[tuple[Tokens, Tokens]]) -> list[torch.Tensor]:
        """The logits that tell of each continuation, (its tokens, vocabulary); each pair is read from its beginning."""
        if self._too_many(max(len(context) + len(after) for context, after in pairs) * len(pairs)) and len(pairs) > 1:
            return [row for pair in pairs for row in self._whole([pair])]
        read = TokenReader(self._loaded, self._mask, cached=False).read(
            self._padded([(*context, *continuation)[:-1] for context, continuation in pairs])
        )
        begins = [len(context) - 1 for context, _ in pairs]
        return [row[at : at + len(after)] for row, at, (_, after) in zip(read, begins, pairs, strict=True)]

    def _shared(self, context: Tokens, continuations: Sequence[Tokens]) -> list[torch.Tensor]:
        """The same of one context, which is read once."""
        reader = TokenReader(self._loaded, self._mask, cached=True)
        first = reader.read(self._padded([context]))[:, -1:]
        if max(map(len, continuations)) == 1:
            return [first[0]] * len(continuations)
        if self._too_many(max(map(len, continuations)) * len(continuations)):
            return self._whole([(context, continuation) for continuation in continuations])
        reader.repeat(len(continuations))
        rest = reader.read(self._padded([(*context, *continuation[:-1]) for continuation in continuations]))
        return [
            torch.cat([first[0], row[: len(continuation) - 1]])
            for row, continuation in zip(rest, continuations, strict=True)
        ]

    def _too_many(self, tokens: int) -> bool:
        """Whether the logits of so many tokens are more than ought to be alive at once."""
        return tokens * int(self._loaded.model.config.get_text_config().vocab_size) > self._most

    def _padded(self, rows: Sequence[Tokens]) -> torch.Tensor:
        """Rows as one tensor; what stands behind a row's end changes nothing before it."""
        longest = max(map(len, rows))
        ids = [list(row) + [row[-1]] * (longest - len(row)) for row in rows]
        return torch.tensor(ids, device=self._loaded.info.device)

    def _proved(self) -> bool:
        """Whether reading a context once gives the logits of whole forwards, to rounding."""
        settings = self._loaded.model.generation_config
        if settings is not None and settings.use_cache is False:
            return False
        text = tuple(probe_ids(self._loaded.model, _PROOF + _MORE).tolist())
        context, longest = text[:_PROOF], text[_PROOF:]
        continuations = [longest, longest[::-1][:2], longest[1:2]]
        plain = self._whole([(context, continuation) for continuation in continuations])
        try:
            shared = self._shared(context, continuations)
        except (*FAILURES, RuntimeError):
            return False
        most = rounding(self._loaded) * max(float(row.abs().max()) for row in plain)
        return all(bool(((a - b).abs() <= most).all()) for a, b in zip(plain, shared, strict=True))


def _saved(item: Item) -> float:
    """How many times as many tokens are read where the context of an item is not shared."""
    contexts, whole = (
        {context for context, _ in item.tokens},
        sum(len(context) + len(after) for context, after in item.tokens),
    )
    if len(contexts) > 1:
        return 1.0
    return whole / (whole - (len(item.tokens) - 1) * len(item.tokens[0][0]))


def _of(logits: torch.Tensor, continuation: Tokens) -> tuple[float, bool]:
    """Of logits (tokens, vocabulary): the log-likelihood of a continuation, and whether it is the greedy one."""
    rows = logits.float()
    wanted = torch.tensor(continuation, device=rows.device)
    chosen = rows.log_softmax(-1).gather(-1, wanted[:, None]).sum()
    return float(chosen), bool((rows.argmax(-1) == wanted).all())
