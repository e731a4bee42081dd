"""How a text of token ids falls apart: it says little that is new, repeats itself, or goes round in a loop."""

from collections.abc import Sequence

# A loop: its round is there this often at the end of a text, and takes so many tokens in all.
ROUNDS, LEAST = 3, 12
# Broken: so few different pairs of tokens, or texts that the whole model finds that much less likely than its own.
COLLAPSED, FOREIGN = 0.25, 1.0
# Repeats: this share of texts in loops, or so many more than of the whole model's, which may loop by itself.
MOSTLY, MORE = 0.5, 0.25


def distinct(tokens: Sequence[int], n: int = 2) -> float:
    """distinct-n: n-grams that differ, over all n-grams (Li et al. 2016, arXiv 1510.03055); 1 where there is none."""
    grams = [tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def longest_repeat(tokens: Sequence[int]) -> int:
    """Tokens of the longest n-gram that is there twice; the two may overlap."""
    longest = 0
    ending = [0] * (len(tokens) + 1)  # for each later place, how long it has been the same as before this one
    for place in range(len(tokens)):
        for later in range(len(tokens) - 1, place, -1):
            same = tokens[place] == tokens[later]
            ending[later + 1] = ending[later] + 1 if same else 0
            longest = max(longest, ending[later + 1])
        ending[place + 1] = 0  # a place is no repeat of itself
    return longest


def ends_in_loop(tokens: Sequence[int]) -> bool:
    """Whether a text ends with the same tokens three times or more one after the other, 12 tokens in all at least.

    A text that its model has ended is in no loop: the token that ends it is among its tokens, and there once.
    """
    for period in range(1, len(tokens) // ROUNDS + 1):
        span = max(LEAST, ROUNDS * period)
        if span <= len(tokens) and all(
            tokens[-1 - place] == tokens[-1 - place - period] for place in range(span - period)
        ):
            return True
    return False


def agreed(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens at the beginning in which two texts agree."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def verdict(distinct2: float, loops: float, surprise: float, whole: tuple[float, float] | None = None) -> str:
    """One word for a model's texts: writes, repeats or broken; the thresholds are justified in docs/measured.md.

    Args:
        distinct2: of its texts, the mean.
        loops: the share that ends in a loop.
        surprise: the whole model's loss on them, nats a token.
        whole: loops and surprise of the whole model's own texts; None where they are these.
    """
    usual_loops, usual_surprise = whole or (loops, surprise)
    if distinct2 < COLLAPSED or not surprise <= usual_surprise + FOREIGN:  # one that is no number is none of its words
        return "broken"
    return "repeats" if loops > MOSTLY or loops >= usual_loops + MORE else "writes"
