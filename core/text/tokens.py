"""A corpus as a stream of token ids: long texts go through the tokenizer in pieces, cut where that changes no token."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from core.errors import CorpusError
from core.text.chat_templates import rendered
from core.text.corpora import Corpus

_WHOLE = 2**21  # characters that the tokenizer takes at once; it needs some 150 bytes for each
_PIECE = 2**20
_BACK = 2**16  # characters before the end of a piece, among which its cut is looked for
_AROUND = 64  # characters on both sides of a cut that have to give the same tokens together and apart
_TRIES = 64  # places that are tried

Ids = NDArray[np.int64]


def token_pieces(corpus: Corpus, tokenizer: PreTrainedTokenizerBase) -> Iterator[Ids]:
    """The token ids of a corpus, in order, without special tokens that the tokenizer would add.

    Raises:
        CorpusError: chats, and a model without a template for them.
    """
    text = rendered(corpus, tokenizer) if corpus.chats else corpus.text
    if len(text) <= _WHOLE:
        yield _ids(tokenizer, text)
        return
    start = 0
    while start < len(text):
        end = _cut(tokenizer, text, start) if len(text) - start > _PIECE else len(text)
        yield _after(tokenizer, text[start - 1 : start], text[start:end])
        start = end


def check_known(
    ids: torch.Tensor, tokenizer: PreTrainedTokenizerBase, embedded: object, source: str, what: str = "text"
) -> None:
    """CorpusError for a token that the model has no embedding of: a forward would fail in the middle.

    Args:
        ids: of all windows.
        embedded: how many tokens the model's configuration says that it embeds.
        source: what the model is called.
        what: of whom the tokens are, a text or a prompt.
    """
    if not isinstance(embedded, int) or int(ids.max()) < embedded:
        return
    beyond = int(ids[ids >= embedded][0])
    raise CorpusError(
        f"The {what} has the token {tokenizer.convert_ids_to_tokens(beyond)!r}, number {beyond:,} of the tokenizer's; "
        f"{source} embeds {embedded:,} tokens.",
        "Take the tokenizer that belongs to the model, save the model with resize_token_embeddings, or use a "
        f"{what} without that token.",
    )


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> Ids:
    return np.asarray(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], dtype=np.int64)


def _after(tokenizer: PreTrainedTokenizerBase, before: str, text: str) -> Ids:
    """The tokens of a text as they are after a character: some tokenizers put a space in front of the first one."""
    lead = _ids(tokenizer, before) if before else np.empty(0, dtype=np.int64)
    whole = _ids(tokenizer, before + text)
    same = len(whole) >= len(lead) and bool((whole[: len(lead)] == lead).all())
    return whole[len(lead) :] if same else _ids(tokenizer, text)


def _cut(tokenizer: PreTrainedTokenizerBase, text: str, start: int) -> int:
    """Where a piece ends: at the end of a line, or before a space, where cutting changes no token; else at its size."""
    end = start + _PIECE
    for mark, skip in (("\n", 1), (" ", 0)):
        place = end
        for _ in range(_TRIES):
            place = text.rfind(mark, end - _BACK, place)
            if place < 0:
                break
            if _is_clean(tokenizer, text, place + skip):
                return place + skip
    return end


def _is_clean(tokenizer: PreTrainedTokenizerBase, text: str, place: int) -> bool:
    left, right = text[place - _AROUND : place], text[place : place + _AROUND]
    apart = np.concatenate([_ids(tokenizer, left), _after(tokenizer, left[-1:], right)])
    return np.array_equal(_ids(tokenizer, left + right), apart)
