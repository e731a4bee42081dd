"""Which words of a text are asked for, and when they are found."""

import numpy as np
import pytest

from core.model.model import LoadedModel
from core.writing.last_words import found, last_words


def spelt(loaded: LoadedModel, text: str) -> tuple[list[str], np.ndarray, list[tuple[int, int]]]:
    tokenizer = loaded.checkpoint.tokenizer
    ids = np.array([tokenizer(text, add_special_tokens=False)["input_ids"]])
    [words] = last_words(tokenizer, ids)
    return [str(tokenizer.decode(ids[0, begin:end])) for begin, end in words], ids, words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("it was a long way to go, and he stayed at home.", [" and", " he", " stayed", " at", " home"]),
        (
            "00000000000000000000000000000000000000000000000000 it is 12 don't a_b  two né, or cut",
            [" it", " is", " or"],
        ),
        ("鳥は空を飛び、魚は水を泳ぐ。", []),
    ],
)
def test_words_of_the_second_half(tiny_loaded: LoadedModel, text: str, words: list[str]) -> None:
    assert spelt(tiny_loaded, text)[0] == words


def test_a_word_is_found_when_every_token_is(tiny_loaded: LoadedModel) -> None:
    text = "it was a long way to go, and he stayed at home."
    _, ids, words = spelt(tiny_loaded, text)
    likeliest = ids[:, 1:].copy()
    assert found([words], ids, likeliest).value == 1
    likeliest[0, words[-1][1] - 2] += 1  # the last token of a word
    assert found([words], ids, likeliest).value == 4 / 5
    likeliest[0, words[-1][1] - 1] += 1  # what follows it is no part of it
    assert found([words], ids, likeliest).value == 4 / 5
    nothing = found([[]], ids, likeliest)
    assert np.isnan(nothing.value) and nothing.of == 0


def test_the_error_is_that_of_windows_and_not_of_words(tiny_loaded: LoadedModel) -> None:
    """Ten words each of four windows, of which two have all right: as sure as four coins."""
    ids = np.arange(44).reshape(4, 11)
    likeliest = ids[:, 1:].copy()
    likeliest[2:] = 99
    share = found([[(place, place + 1) for place in range(1, 11)]] * 4, ids, likeliest)
    assert share.value == 0.5 and share.of == 40
    assert share.error == pytest.approx(np.std([1, 1, 0, 0], ddof=1) / 2)
