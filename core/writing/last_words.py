"""Last words of passages of a text, and whether a model finds them: as LAMBADA asks, of any text.

A passage begins where a sequence does and ends after any word of its second half; so one forward asks for all of them.
A word is right when every token that spells it is the likeliest one, which is when greedy writing would spell it.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from core.records.behaviour.writes import Share
from core.writing.agreement import share_of

# A word after one space, and before what ends it: so the tokens of LAMBADA's own items begin and end.
_WORD = re.compile(r"(?<=\S) [^\W\d_]+(?=[\s.,;:!?)\]\"])")
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # a token that is no text by itself, such as a part of a character

Words = list[list[tuple[int, int]]]  # of each sequence: the first token of each word, and the one after its last


def last_words(tokenizer: PreTrainedTokenizerBase, ids: NDArray[np.int64]) -> Words:
    """The words of the second halves of sequences (sequences, tokens) that tokens spell with nothing else in them."""
    return [_words(_pieces(tokenizer, [int(token) for token in row])) for row in ids]


def found(words: Words, ids: NDArray[np.int64], likeliest: NDArray[np.int64]) -> Share:
    """The share of words that are found.

    Args:
        words: of each sequence.
        ids: the text, (sequences, tokens).
        likeliest: the likeliest token in place of each but the first, (sequences, tokens - 1).
    """
    right = ids[:, 1:] == likeliest
    spelt = [sum(bool(right[row, begin - 1 : end - 1].all()) for begin, end in some) for row, some in enumerate(words)]
    return share_of(np.array(spelt), np.array([len(some) for some in words]))


def _words(pieces: Sequence[str]) -> list[tuple[int, int]]:
    begins, place = {}, 0  # of tokens, by their first characters
    for token, piece in enumerate(pieces):
        if piece:
            begins[place] = token
        place += len(piece)
    spans = (match.span() for match in _WORD.finditer("".join(pieces)))
    return [
        (begins[begin], begins[end])
        for begin, end in spans
        if begin in begins and end in begins and begins[begin] >= max(1, len(pieces) // 2)
    ]


def _pieces(tokenizer: PreTrainedTokenizerBase, row: list[int]) -> list[str]:
    """What each token adds to a text, read behind the one before it: some write no space in front of a first one."""
    pairs = [row[max(0, place - 1) : place + 1] for place in range(len(row))]
    both, before = (
        tokenizer.batch_decode(some, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for some in (pairs, [[token] for token in row[:1] + row[:-1]])
    )
    return [
        text[len(lead) :] if text.startswith(lead) and _UNREADABLE not in text else _UNREADABLE
        for text, lead in zip(both, ["", *before[1:]], strict=True)
    ]
