"""Games of twelve players, all of whose coalitions are known: made up, and of the bundled model's layers.

Needs numpy alone, so that `benchmarks.libraries` can ask them under another Python.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PLAYERS = 12
EVERY = np.asarray(np.arange(2**PLAYERS)[:, None] >> np.arange(PLAYERS)[::-1] & 1, dtype=np.bool_)
_DATA = Path(__file__).parent / "data"
_RUINED = 1e-5  # the score at which the product bounds logarithms
Worths = NDArray[np.float64]  # of all coalitions in the order of EVERY, (4096,)


def score(measured: str) -> Worths:
    """PPL_dense / PPL of the bundled model: without `grouped` layers, or without some of its `last` ones."""
    losses = np.load(_DATA / f"{measured}.npz")["losses"].astype(np.float64).mean(axis=1)
    return np.asarray(np.exp(losses[-1] - losses))


def log_score(measured: str) -> Worths:
    """The logarithm of `score`, bounded below."""
    return np.asarray(np.log(np.maximum(score(measured), _RUINED)))


def near_additive(rng: np.random.Generator) -> Worths:
    """Single effects of either sign, and small ones of two to four players."""
    worths = EVERY @ rng.normal(size=PLAYERS)
    for size in np.repeat((2, 3, 4), 12):
        worths += 0.1 * rng.normal() * _together(rng, size)
    return np.asarray(worths)


def heavy_tailed(rng: np.random.Generator) -> Worths:
    """Sixty coalitions that are worth something once complete, some of them very much."""
    sizes = np.minimum(PLAYERS, 1 + rng.geometric(0.35, 60))
    return np.asarray(sum(rng.standard_t(2) * _together(rng, size) for size in sizes))


def redundant(rng: np.random.Generator) -> Worths:
    """Pairs each of which makes do with one; losses add up less and less."""
    pairs = rng.permutation(PLAYERS).reshape(-1, 2)
    lost = sum(weight * ~EVERY[:, pair].any(axis=1) for weight, pair in zip(rng.uniform(0.5, 2, 6), pairs, strict=True))
    return np.asarray(-np.sqrt(0.3 + lost + 0.3 * (~EVERY) @ rng.random(PLAYERS)))


def sign_flips(rng: np.random.Generator) -> Worths:
    """Single effects, and groups in which every player turns the sign over."""
    worths = EVERY @ rng.normal(size=PLAYERS)
    for size in rng.integers(2, 5, 10):
        some = rng.choice(PLAYERS, size, replace=False)
        worths += 0.5 * rng.normal() * (1 - 2 * ((~EVERY[:, some]).sum(axis=1) % 2))
    return np.asarray(worths)


def exp_quadratic(rng: np.random.Generator) -> Worths:
    """The exponential of single and pair effects, as a score is."""
    single, pair, gone = rng.uniform(0.1, 0.8, PLAYERS), rng.normal(size=(PLAYERS,) * 2) * 0.08, (~EVERY).astype(float)
    return np.asarray(np.exp(-(gone @ single + np.einsum("mi,ij,mj->m", gone, pair, gone))))


def unanimity(rng: np.random.Generator) -> Worths:
    """Thirty coalitions of one to four players that are worth something once complete."""
    return np.asarray(sum(0.2 * rng.normal() * _together(rng, size) for size in rng.integers(1, 5, 30)))


def threshold(rng: np.random.Generator) -> Worths:
    """A vote: little below a share of the weights, nearly all above."""
    weights = rng.uniform(0.2, 1.8, PLAYERS)
    return np.asarray(1 / (1 + np.exp(-4 * (EVERY @ weights - 0.6 * weights.sum()) / weights.std() / 3)))


def coverage(rng: np.random.Generator) -> Worths:
    """What the players' sets cover of forty things, each of its own worth."""
    covers = rng.random((PLAYERS, 40)) < 0.2
    return np.asarray((EVERY.astype(int) @ covers > 0) @ rng.exponential(size=40))


MADE_UP: tuple[Callable[[np.random.Generator], Worths], ...] = (
    near_additive,
    heavy_tailed,
    redundant,
    sign_flips,
    exp_quadratic,
    unanimity,
    threshold,
    coverage,
)
SCORES = ("score", "score_of_last")  # games of scores, which are positive


def games(seed: int) -> dict[str, Worths]:
    """All of them by name; the made-up ones differ from seed to seed."""
    real = dict(zip(SCORES, map(score, ("grouped", "last")), strict=True))
    real |= {"log_score": log_score("grouped"), "log_score_of_last": log_score("last")}
    return real | {make.__name__: make(np.random.default_rng([seed, row])) for row, make in enumerate(MADE_UP)}


def _together(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    return np.asarray(EVERY[:, rng.choice(PLAYERS, size, replace=False)].all(axis=1))
