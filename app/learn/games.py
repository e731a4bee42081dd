"""The games that the page Learn teaches with: three players whose worths the reader may edit, and a made-up model.

A game is its cube, (2,) * n, as in `core.attribution.exact`, which also computes its values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core.attribution import exact
from core.attribution.closed_form import measure, sizes
from core.attribution.hybrid import averaging, hybrid
from core.attribution.permutations import draw, marginals
from core.coalitions.masks import Masks, everything
from core.coalitions.measurements import Floats, Measurements
from core.sampling.pairs import paired
from core.surrogate.surrogate import fit

PLAYERS = ("Ann", "Bo", "Cy")
# Layers of the made-up model, and terms beyond what each costs alone: few enough to know all coalitions.
LAYERS = 10
# What a missing layer of it costs on average, nats a token, where the reader does not choose.
COST = 0.5
_TERMS = 8


@dataclass(frozen=True)
class Story:
    """A game of three players; worths in the order of `everything(3)`: nobody, Cy, Bo, Bo and Cy, Ann, …, all."""

    name: str
    told: str
    worths: tuple[float, ...]


STORIES = (
    Story(
        "Musicians",
        "Ann plays, Bo sings and Cy drums in the street. The worth of those who turn up is what lies in the hat.",
        (0, 10, 30, 40, 40, 60, 100, 130),
    ),
    Story(
        "Gloves",
        "Ann has a left glove, Bo and Cy have a right one each. Only a pair can be sold, for 60: Bo and Cy make up for "
        "each other.",
        (0, 0, 0, 0, 0, 60, 60, 60),
    ),
    Story(
        "A passenger",
        "Ann and Bo work. Cy comes along, and never makes a difference.",
        (0, 0, 20, 20, 40, 40, 90, 90),
    ),
)


def shapley(game: Floats) -> Floats:
    """The Shapley value of each player of a cube, (n,), by enumeration."""
    return exact.values(game, sizes(measure("shapley", game.ndim), game.ndim - 1))


def table(game: Floats) -> Callable[[Masks], Floats]:
    """A cube as a function of masks (q, n), (q,)."""
    return lambda masks: np.asarray(game[tuple(masks.T.astype(np.int64))])


def alike(game: Floats) -> list[tuple[int, int]]:
    """The pairs of players that may change places in every coalition without changing a worth."""
    pairs = combinations(range(game.ndim), 2)
    return [(i, j) for i, j in pairs if np.allclose(game, game.swapaxes(i, j))]


def idle(game: Floats) -> list[int]:
    """The null players: those who never make a difference."""
    return [player for player in range(game.ndim) if np.allclose(np.diff(game, axis=player), 0)]


def made_up_model(cost: float) -> Floats:
    """The log score of every set of ten layers that a model might have, (2,) * 10, in nats a token; 0 when whole.

    What each missing layer costs adds up. A few groups of two or three cost more when all of them are missing: they
    make up for each other.

    Args:
        cost: what a missing layer costs by itself on average, nats a token.
    """
    rng = np.random.default_rng(3)
    missing = ~everything(LAYERS)
    alone = rng.gamma(1.0, size=LAYERS)
    rises = missing @ (alone / alone.mean())
    for _ in range(_TERMS):
        group = rng.choice(LAYERS, rng.integers(2, 4), replace=False)
        rises = rises + rng.uniform(0.5, 1.5) * missing[:, group].all(axis=1)
    return np.asarray(-cost * rises).reshape((2,) * LAYERS)


def learning_curve(game: Floats, evaluations: Sequence[int], seeds: int) -> list[tuple[int, float, float]]:
    """The relative errors of Shapley values, at equal evaluations: (evaluations, by sampled orders, by a surrogate).

    Each is the mean over `seeds` samples. An order takes n - 1 evaluations besides those of nobody and of all.
    """
    players, right = game.ndim, shapley(game)
    how, rows = [averaging("shapley", players)], []
    for count in evaluations:
        drawn = [draw(players, max(1, (count - 2) // (players - 1)), seed) for seed in range(seeds)]
        sampled = [marginals(table(game), orders).mean(axis=0) for orders in drawn]
        fitted = [hybrid(fit(measured(game, count, seed)), True).values(how, seed)[0] for seed in range(seeds)]
        rows.append((count, _error(np.array(sampled), right), _error(np.array(fitted), right)))
    return rows


def measured(game: Floats, evaluations: int, seed: int) -> Measurements:
    """So many coalitions of a game of log scores, the whole model among them, drawn by the sampler `shapley`."""
    masks = paired(game.ndim, evaluations - 1, seed)
    return Measurements(masks, -table(game)(masks)[:, None], -np.array([game.flat[-1]]))


def _error(found: Floats, right: Floats) -> float:
    """The mean relative error of estimates (seeds, n)."""
    return float((np.linalg.norm(found - right, axis=1) / np.linalg.norm(right)).mean())
