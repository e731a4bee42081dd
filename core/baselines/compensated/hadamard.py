"""Hadamard matrices: of ones and minus ones, with rows at right angles. Sylvester's construction, and Paley's two."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def hadamard(order: int) -> Matrix | None:
    """One of that order, (order, order), scaled to be orthogonal; None where these constructions know none.

    Doubled as often as there is a smaller one, as rotations of language models take them.
    """
    halves = [order]
    while halves[-1] % 2 == 0:
        halves.append(halves[-1] // 2)
    for small in reversed(halves):
        found = _small(small)
        if found is not None:
            while len(found) < order:
                found = np.kron(np.array([[1.0, 1.0], [1.0, -1.0]]), found)
            return np.asarray(found / np.sqrt(order), dtype=np.float64)
    return None


def _small(order: int) -> Matrix | None:
    """Of order 1, of one more than a prime, or of twice that, where Paley's constructions apply."""
    if order == 1:
        return np.ones((1, 1))
    if order % 4:
        return None
    if _is_prime(order - 1):  # an order that four divides: the prime is 3 modulo 4
        core = _bordered(order - 1, skew=True)
        return core + np.eye(order)
    prime = order // 2 - 1
    if prime % 4 == 1 and _is_prime(prime):
        core = _bordered(prime, skew=False)
        return np.kron(core, [[1, 1], [1, -1]]) + np.kron(np.eye(prime + 1), [[1, -1], [-1, -1]])
    return None


def _bordered(prime: int, skew: bool) -> Matrix:
    """The Legendre symbols of differences, below a row of ones and beside a column of ones, negative where `skew`."""
    squares = {place * place % prime for place in range(1, prime)}
    symbols = np.array([0, *(1 if place in squares else -1 for place in range(1, prime))])
    places = np.arange(prime)
    found = np.zeros((prime + 1, prime + 1))
    found[0, 1:], found[1:, 0] = 1, -1 if skew else 1
    found[1:, 1:] = symbols[(places[:, None] - places) % prime]
    return found


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
