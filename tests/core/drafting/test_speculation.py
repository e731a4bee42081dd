"""The arithmetic of drafts, against speculative decoding played token by token."""

import numpy as np
import pytest

from core.drafting.speculation import best_length, speedup, speedup_error, tokens
from core.records.behaviour.drafts import LENGTHS

PASSES = 60_000


def played(acceptance: float, cost: float, length: int, seed: int = 0) -> tuple[float, float]:
    """Tokens a pass, and how many times as fast as without a draft, of many passes whose every token is tossed for."""
    coin = np.random.default_rng(seed)
    written = spent = 0.0
    for _ in range(PASSES // length):
        spent += 1  # the whole model reads what was drafted
        drafted = kept = 0
        wrong = False
        while drafted < length:
            drafted += 1
            spent += cost
            wrong = wrong or coin.random() >= acceptance
            kept += not wrong
        written += kept + 1  # and has one token of its own
    return written / (PASSES // length), written / spent


@pytest.mark.parametrize("acceptance", [0.0, 0.3, 0.79, 0.95, 1.0])
@pytest.mark.parametrize(("cost", "length"), [(0.1, 1), (0.5, 2), (0.5, 5), (0.9, 16)])
def test_tokens_and_speed_are_those_of_play(acceptance: float, cost: float, length: int) -> None:
    a_pass, faster = played(acceptance, cost, length)
    assert tokens(acceptance, length) == pytest.approx(a_pass, rel=0.02)
    assert speedup(acceptance, cost, length) == pytest.approx(faster, rel=0.02)


def test_known_cases() -> None:
    # Figure 2 of the paper begins with one token a pass and no gain; half the cost needs .79 for 1.2 times the speed.
    assert tokens(0.0, 7) == 1 and tokens(1.0, 7) == 8
    assert tokens(0.8, 5) == pytest.approx((1 - 0.8**6) / (1 - 0.8))
    reached = max(speedup(0.79, 0.5, length) for length in LENGTHS)
    missed = max(speedup(0.77, 0.5, length) for length in LENGTHS)
    assert missed < 1.2 <= round(reached, 2)


@pytest.mark.parametrize("acceptance", [0.1, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("cost", [0.05, 0.5, 0.95])
def test_the_best_length_is_the_best_of_all(acceptance: float, cost: float) -> None:
    every = {length: speedup(acceptance, cost, length) for length in range(1, 17)}
    assert every[best_length(acceptance, cost)] == max(every.values())
    # Corollary 3.9: some length gains just where tokens are accepted more often than they cost.
    assert (max(every.values()) > 1) == (acceptance > cost)


def test_the_error_is_the_spread_of_speed_ups() -> None:
    draw = np.random.default_rng(0)
    shares, costs = draw.normal(0.8, 0.01, 20_000), draw.normal(0.4, 0.008, 20_000)
    found = [speedup(share, cost, 4) for share, cost in zip(shares, costs, strict=True)]
    assert speedup_error((0.8, 0.01), (0.4, 0.008), 4) == pytest.approx(np.std(found), rel=0.03)
    assert speedup_error((1.0, 0.0), (0.4, 0.0), 4) == 0
