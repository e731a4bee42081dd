"""How models go on after prompts, each with its likeliest token (greedy): they differ by the missing layers alone.

Several prompts are read in step and without padding: what follows one does not depend on the others.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import CorpusError
from core.evaluate.continuing.token_reader import TokenReader, cache_holds
from core.evaluate.limits import at_once
from core.model.model import LoadedModel
from core.text.tokens import check_known

Pick = Callable[[Sequence[int], torch.Tensor], list[int]]

# Tokens of a prompt that count, the last ones.
_PROMPT = 256


def continuations(
    loaded: LoadedModel, mask: NDArray[np.bool_], prompt: str, tokens: int
) -> Iterator[tuple[str, str, int]]:
    """Yields (what the whole model wrote, what the pruned one wrote, tokens so far), one token more each time.

    Raises:
        CorpusError: the prompt has no tokens, or one that the model does not embed.
    """
    start = prompt_ids(loaded, prompt)
    ways = greedy(loaded, np.ones_like(mask), [start], tokens), greedy(loaded, mask, [start], tokens)
    for done, ((whole,), (pruned,)) in enumerate(zip(*ways, strict=True), start=1):
        yield written(loaded, whole), written(loaded, pruned), done


def prompt_ids(loaded: LoadedModel, prompt: str) -> list[int]:
    """The token ids of a prompt, the last ones of a long one.

    Raises:
        CorpusError: there are none, or one that the model does not embed.
    """
    tokenizer = loaded.checkpoint.tokenizer
    ids = tokenizer(prompt, return_tensors="pt").input_ids[:, -_PROMPT:]
    if not ids.numel():
        raise CorpusError("The prompt is empty.", "Write a few words for the models to go on with.")
    embeddings: Any = loaded.model.get_input_embeddings()
    check_known(ids, tokenizer, int(embeddings.weight.shape[0]), loaded.info.source, what="prompt")
    return [int(token) for token in ids[0]]


def greedy(
    loaded: LoadedModel,
    mask: NDArray[np.bool_],
    starts: Sequence[Sequence[int]],
    tokens: int,
    together: int | None = None,
) -> Iterator[list[list[int]]]:
    """As `continued`, each token the likeliest."""
    return continued(loaded, mask, starts, tokens, lambda _, logits: logits.argmax(dim=-1).tolist(), together)


def continued(
    loaded: LoadedModel,
    mask: NDArray[np.bool_],
    starts: Sequence[Sequence[int]],
    tokens: int,
    pick: Pick,
    together: int | None = None,
) -> Iterator[list[list[int]]]:
    """Yields what follows each prompt so far, step by step; the last are whole. A single prompt takes a step a token.

    A text ends with the token by which its model ends it.

    Args:
        loaded: the model; left as found.
        mask: (players,), True where a player is kept.
        starts: the token ids of each prompt.
        tokens: of each text, at most.
        pick: the next token of some texts, which stand at these places among all, from logits (texts, vocabulary).
        together: prompts in a forward; as many as memory is meant for if none are given.
    """
    cached = cache_holds(loaded, mask, max(starts, key=len))
    shortest, longest = min(map(len, starts)), max(map(len, starts))
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    together = together or at_once(loaded.info.device, shortest if cached else longest + tokens, vocabulary)
    ways = [
        _in_step(
            loaded,
            mask,
            starts[first : first + together],
            tokens,
            longest - shortest + tokens,
            cached,
            partial(_behind, pick, first),
        )
        for first in range(0, len(starts), together)
    ]
    for parts in zip(*ways, strict=True):
        yield [list(text) for part in parts for text in part]


def written(loaded: LoadedModel, tokens: list[int]) -> str:
    """A text as people read it."""
    return str(loaded.checkpoint.tokenizer.decode(tokens, skip_special_tokens=True))


def _behind(pick: Pick, first: int, places: Sequence[int], logits: torch.Tensor) -> list[int]:
    """What is picked for texts whose places are counted from the first of a group."""
    return pick([first + place for place in places], logits)


def _in_step(
    loaded: LoadedModel,
    mask: NDArray[np.bool_],
    starts: Sequence[Sequence[int]],
    tokens: int,
    steps: int,
    cached: bool,
    pick: Pick,
) -> Iterator[list[list[int]]]:
    """The texts after some prompts. All are as long at every step: a longer prompt goes on while others are written."""
    settings = loaded.model.generation_config
    ends = settings.eos_token_id if settings is not None else None
    ended = set(ends if isinstance(ends, list) else [ends])
    ids = torch.tensor([start[: min(map(len, starts))] for start in starts], device=loaded.info.device)
    reader = TokenReader(loaded, mask, cached)
    texts: list[list[int]] = [[] for _ in starts]
    for _ in range(steps):
        going = [place for place, text in enumerate(texts) if len(text) < tokens and not (text and text[-1] in ended)]
        if going:
            here, logits = ids.shape[1], reader.read(ids)[:, -1]
            column = [start[here] if here < len(start) else 0 for start in starts]
            # What has ended is not picked for: a way that draws would draw on, as long as others are written.
            writing = [place for place in going if here >= len(starts[place])]
            for place, token in zip(writing, pick(writing, logits[writing]), strict=True):
                column[place] = token
                texts[place].append(token)
            ids = torch.cat([ids, torch.tensor(column, device=ids.device)[:, None]], dim=1)
        yield texts
