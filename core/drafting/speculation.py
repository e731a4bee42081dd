"""What a draft gains, in figures: speculative decoding (Leviathan, Kalman and Matias 2023, arXiv 2211.17192).

A draft writes g tokens, each at c times the cost of a token of the whole model, which reads them all at once and keeps
them up to the first that it would not have written itself; in its place, or behind all of them, it has one of its own.
If each drafted token is accepted with the same chance a, whatever came before, a pass is expected to give
(1 - a^(g+1)) / (1 - a) tokens for the time of g c + 1 of the whole model's: their quotient is Theorem 3.8.
"""

from math import hypot

from core.records.behaviour.drafts import LENGTHS


def tokens(acceptance: float, length: int) -> float:
    """Expected of one pass with so many drafted; acceptance 1 has a limit, so that the sum is not in closed form."""
    return sum(acceptance**accepted for accepted in range(length + 1))


def speedup(acceptance: float, cost: float, length: int) -> float:
    """How many times as many tokens in the same time as by the whole model alone."""
    return tokens(acceptance, length) / (length * cost + 1)


def best_length(acceptance: float, cost: float) -> int:
    """How many tokens to draft at a time, of LENGTHS."""
    return max(LENGTHS, key=lambda length: speedup(acceptance, cost, length))


def speedup_error(acceptance: tuple[float, float], cost: tuple[float, float], length: int) -> float:
    """The standard error of a speed-up, to first order, by those of acceptance and cost: (value, error)."""
    share, share_error = acceptance
    price, price_error = cost
    slope = sum(accepted * share ** (accepted - 1) for accepted in range(1, length + 1)) / (length * price + 1)
    by_cost = speedup(share, price, length) * length / (length * price + 1)
    return hypot(slope * share_error, by_cost * price_error)
