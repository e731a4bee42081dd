"""Figures of texts against brute force over all n-grams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.writing.degeneration import LEAST, ROUNDS, agreed, distinct, ends_in_loop, longest_repeat, verdict

TOKENS = st.lists(st.integers(0, 3), max_size=24)


def grams(tokens: list[int], n: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1)]


@given(TOKENS, st.integers(1, 4))
def test_distinct_counts_different_n_grams(tokens: list[int], n: int) -> None:
    found = grams(tokens, n)
    different = [gram for place, gram in enumerate(found) if gram not in found[:place]]
    assert distinct(tokens, n) == (len(different) / len(found) if found else 1)


@given(TOKENS)
def test_longest_repeat_is_the_longest_n_gram_that_is_there_twice(tokens: list[int]) -> None:
    twice = [n for n in range(1, len(tokens)) if len(set(grams(tokens, n))) < len(grams(tokens, n))]
    assert longest_repeat(tokens) == max(twice, default=0)


@given(TOKENS, st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(0, 6))
def test_a_loop_is_rounds_at_the_end(lead: list[int], loop: list[int], rounds: int) -> None:
    tokens = lead + loop * rounds
    looped = any(
        tokens[-span:] == (tokens[-period:] * span)[-span:]
        for period in range(1, len(tokens) + 1)
        for span in [max(LEAST, ROUNDS * period)]
        if span <= len(tokens)
    )
    assert ends_in_loop(tokens) == looped
    if rounds >= ROUNDS and rounds * len(loop) >= LEAST:
        assert looped
    assert not ends_in_loop([*tokens, 9])  # a text that has ended


@given(TOKENS, TOKENS)
def test_agreement_is_the_common_beginning(one: list[int], other: list[int]) -> None:
    common = agreed(one, other)
    assert one[:common] == other[:common]
    assert one[: common + 1] != other[: common + 1] or common == min(len(one), len(other))


@pytest.mark.parametrize(
    ("figures", "word"),
    [  # distinct-2, loops and the whole model's loss, of the bundled model and its plans (docs/measured.md)
        ((0.802, 0.05, 0.838), "writes"),
        ((0.703, 0.20, 1.028), "writes"),
        ((0.448, 0.40, 1.055), "repeats"),
        ((0.282, 0.80, 0.962), "repeats"),
        ((0.204, 0.70, 1.047), "broken"),
        ((0.660, 0.10, 10.003), "broken"),
        ((0.800, 0.05, float("nan")), "broken"),
    ],
)
def test_verdicts(figures: tuple[float, float, float], word: str) -> None:
    assert verdict(*figures, (0.05, 0.838)) == word


def test_a_whole_model_that_loops_by_itself_is_no_measure() -> None:
    assert verdict(0.5, 0.6, 1.0) == verdict(0.5, 0.6, 1.0, (0.6, 1.0)) == "repeats"
    assert verdict(0.7, 0.45, 1.0) == verdict(0.7, 0.45, 1.0, (0.45, 1.0)) == "writes"
