"""How likely a model without some players finds the continuations of an item.

An item goes through the model alone, whatever else is asked, so that no answer depends on how many there are, on their
order, on who measures them, or on the other coalitions that are asked: sums of other batches differ in their last bits,
and accuracies with them. Coalitions share what comes of each prefix of layers that they share, and the continuations of
an item what they follow, where either is proved to change nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch

from core.coalitions.masks import Masks
from core.evaluate.continuing.token_reader import TokenReader, rounding
from core.evaluate.limits import ACCELERATOR, CPU
from core.evaluate.walks.proof import hidden_state_is_all
from core.evaluate.walks.sequences import logits_of
from core.evaluate.walks.walk import Walk
from core.model.blocks import probe_ids
from core.model.model import LoadedModel
from core.model.skipping import FAILURES
from core.records.behaviour.task_scores import Answer
from core.tasks.items import Item, Tokens
from core.tasks.readings import Alone, Reading, Shared

# Reading in two steps pays from so many times fewer tokens on: of 135 M parameters, on two busy cores, it was 1.2 times
# as fast at 2.8 times fewer (ARC), and .75 at 1.3 (PIQA).
_WORTH = 1.5
_PROOF, _MORE = 12, 5  # tokens of the context, and of the longest continuation, on which sharing is proved


class Likelihoods:
    """Answers items with some players of a model."""

    def __init__(self, loaded: LoadedModel) -> None:
        """What may be shared is proved when it is asked first, by small forwards."""
        self._loaded = loaded
        _, self._most = CPU if loaded.info.device == "cpu" else ACCELERATOR

    def answers(self, item: Item, masks: Masks) -> Iterator[tuple[int, Answer]]:
        """What the model says of an item's continuations, by row of masks (masks, players), as it comes.

        The model is as it was whenever somebody else has a turn.
        """
        for row, logits in self._found(item, masks):
            told = [_of(some[: len(after)], after) for some, (_, after) in zip(logits, item.tokens, strict=True)]
            yield row, Answer(tuple(likelihood for likelihood, _ in told), tuple(greedy for _, greedy in told))

    def likeliest(self, item: Item, players: int) -> list[int]:
        """The token that the whole model, of so many players, finds likeliest where each continuation begins.

        It comes of the same logits as `answers`: to these very tokens it says that they are the greedy ones.
        """
        [(_, logits)] = self._found(item, np.ones((1, players), dtype=np.bool_))
        return [int(some[0].float().argmax()) for some in logits]

    def _found(self, item: Item, masks: Masks) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """The logits from where each continuation is told on, by row of masks."""
        if self._shares and _saved(item) >= _WORTH:
            return self._walked(Shared(self._loaded, item.tokens[0][0], [after for _, after in item.tokens]), masks)
        if self._walks:
            return self._walked(Alone(self._loaded, item.tokens), masks)
        return self.by_forwards(Alone(self._loaded, item.tokens), masks)

    def _walked(self, reading: Reading, masks: Masks) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """The same, each prefix of layers once."""
        reading.enter()
        ends = Walk(reading).finals(self._loaded.kept(masks), lambda _: True, together=1, heads=1)
        while True:
            with torch.inference_mode():
                end = next(ends, None)
                if end is None:
                    return
                [rows], state = end
                logits = self._logits(reading, reading.judged(state))
            yield from ((row, logits) for row in rows)

    def _logits(self, reading: Reading, judged: torch.Tensor) -> list[torch.Tensor]:
        """The same of the last hidden state of the tokens that are judged; few logits are alive at once."""
        tokens = judged.shape[1] * int(self._loaded.model.config.get_text_config().vocab_size)
        at_once = max(1, self._most // tokens)
        texts = [
            text
            for ids, part in zip(torch.split(reading.ids, at_once), torch.split(judged, at_once), strict=True)
            for text in logits_of(self._loaded, ids, part)
        ]
        return [texts[row][at:] for row, at in reading.spots]

    def by_forwards(self, reading: Alone, masks: Masks) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """The logits from where each continuation is told on, by row of masks: a forward of its own for each mask."""
        for row, mask in enumerate(masks):
            texts = [
                reading.judged(TokenReader(self._loaded, mask, cached=False).read(text[None]))[0]
                for text in reading.whole
            ]
            yield row, [texts[text][at:] for text, at in reading.spots]

    @cached_property
    def _walks(self) -> bool:
        """Whether coalitions may share prefixes of layers, and the head may read some tokens alone."""
        return hidden_state_is_all(self._loaded) and self._proved(lambda pairs: Alone(self._loaded, pairs))

    @cached_property
    def _shares(self) -> bool:
        """Whether a context may be read once for all that follows it, too."""
        settings = self._loaded.model.generation_config
        if not self._walks or (settings is not None and settings.use_cache is False):
            return False
        return self._proved(lambda pairs: Shared(self._loaded, pairs[0][0], [after for _, after in pairs]))

    def _proved(self, reading: Callable[[Sequence[tuple[Tokens, Tokens]]], Reading]) -> bool:
        """Whether walks through such a reading give the logits of the model's own forwards, to rounding."""
        text = tuple(probe_ids(self._loaded.model, _PROOF + _MORE).tolist())
        context, longest = text[:_PROOF], text[_PROOF:]
        pairs = [(context, continuation) for continuation in (longest, longest[::-1][:2], longest[1:2])]
        places = np.arange(len(self._loaded.info.players))
        masks = np.stack([places >= 0, places % 4 < 2, places % 3 > 0, places % 5 == 1])
        plain = dict(self.by_forwards(Alone(self._loaded, pairs), masks))
        try:
            shared = dict(self._walked(reading(pairs), masks))
        except (*FAILURES, RuntimeError):
            return False
        return all(
            bool(((ours[: len(after)] - own[: len(after)]).abs() <= rounding(self._loaded) * own.abs().max()).all())
            for row, logits in plain.items()
            for ours, own, (_, after) in zip(shared[row], logits, pairs, strict=True)
        )


def _saved(item: Item) -> float:
    """How many times as many tokens are read where the context of an item is not shared."""
    (first, _), *_ = item.tokens
    if any(context != first for context, _ in item.tokens):
        return 1.0
    alone = sum(map(len, {(*context, *after)[:-1] for context, after in item.tokens}))
    return alone / (len(first) + sum(len(after) - 1 for _, after in item.tokens))


def _of(logits: torch.Tensor, continuation: Tokens) -> tuple[float, bool]:
    """Of logits (tokens, vocabulary): the log-likelihood of a continuation, and whether it is the greedy one."""
    rows = logits.float()
    wanted = torch.tensor(continuation, device=rows.device)
    chosen = rows.log_softmax(-1).gather(-1, wanted[:, None]).sum()
    return float(chosen), bool((rows.argmax(-1) == wanted).all())
