"""Shapley, Banzhaf and local values, and pairwise interactions, of a Gaussian process over coalitions: in closed form.

Each of these is a probabilistic value (Weber 1988): the expected marginal contribution of a layer while every other one
is kept with probability p, averaged over p. All p alike give the Shapley value, p = 1/2 the Banzhaf value, and p near 1
asks what pruning asks: what does this layer add while few others are missing? For pairs, the weight 6 p (1 - p) gives
the interactions of the faithful quadratic game (Faith-Shap of order 2: Tsai et al., arXiv 2203.00870).

The posterior mean is a sum of products over layers, sum_m w_m prod_j g_mj(z_j), so its expectation over independent
layers is the product of their expectations, and a marginal contribution changes one factor. For the Shapley value the
integrand is a polynomial of degree n - 1 in p, for the faithful interactions one of degree n, which Gauss and
Legendre's rule with floor(n/2) + 1 nodes integrates exactly. The stratified contribution, of fixed sizes, is an
integral over complex p (`stratified`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.special import gammaln
from scipy.stats import binom

from core.coalitions.measurements import Floats
from core.sampling.strata import stratified_sizes
from core.surrogate.gaussian_process import GaussianProcess
from core.surrogate.one_thread import one_thread

# Kept with this probability, nine layers of ten are there on average.
LOCAL = 0.9
# Pairs that are worked on at once, which bounds the memory of what is between.
_PAIRS = 2000


@dataclass(frozen=True)
class Measure:
    """Which sizes of coalition count how much: probabilities `p` that another layer is kept, and their weights."""

    p: NDArray[np.inexact]
    weight: NDArray[np.inexact]


def measure(kind: str, layers: int) -> Measure:
    """The measure of a kind of value, exact for games of `layers` players."""
    if kind in ("shapley", "faithful"):
        nodes, weights = np.polynomial.legendre.leggauss(layers // 2 + 1)
        p = (nodes + 1) / 2
        return Measure(p, weights / 2 * (6 * p * (1 - p) if kind == "faithful" else 1))
    return Measure(np.array([{"banzhaf": 0.5, "local": LOCAL}[kind]]), np.ones(1))


def stratified(layers: int, strata: Sequence[int]) -> Measure:
    """The measure of the paper's stratified contribution, for games of `layers` players.

    In the odds t = p / (1 - p), an expectation over independent layers is a polynomial over (1 + t)^(n - 1), whose
    coefficient of t^s is the sum over coalitions of s layers. A mean over a circle of odds picks it (Cauchy's formula;
    it is exact, as the degree is below the number of nodes). The radius is a stratum's own odds, near which its sizes
    are the likely ones, so that nothing cancels. Half of the circle is enough: the other half is its conjugate.
    """
    nodes = layers | 1  # odd: p is infinite at t = -1
    angles = 2 * np.pi / nodes * np.arange(nodes // 2 + 1)
    share = np.where(angles > 0, 2.0, 1.0) / nodes / len(strata)
    p, weight = [], []
    for kept in strata:
        t = kept / (layers - kept) * np.exp(1j * angles)
        size_weights = stratified_sizes(layers, [kept])
        terms = [
            size_weights[size]
            * np.exp((layers - 1) * np.log1p(t) - size * np.log(t) - _log_choose(layers - 1, int(size)))
            for size in np.flatnonzero(size_weights)
        ]
        p.append(t / (1 + t))
        weight.append(share * np.sum(terms, axis=0))
    return Measure(np.concatenate(p), np.concatenate(weight))


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def sizes(how: Measure, others: int) -> Floats:
    """How much each number 0..others of other layers that are kept counts, (others + 1,), for real `p`; sums to 1."""
    return np.asarray(how.weight @ binom.pmf(np.arange(others + 1), others, how.p[:, None]))


def values(game: GaussianProcess, how: Measure) -> Floats:
    """The value of each layer, (n,), in the units of the process' targets."""
    found = np.zeros(game.masks.shape[1])
    for p, weight in zip(how.p, how.weight, strict=True):
        slope, product = _factors(game, p)
        found += np.real(weight * ((game.weights * product) @ slope))
    return np.asarray(found * game.scale)


def shares(game: GaussianProcess, removed: Sequence[int]) -> Floats:
    """What each removed layer takes from the prediction without all of them, (removed,), in the order of `removed`.

    They are the negative Shapley values of the game that these layers play while all others stay, and add up to the
    prediction without them minus the one of the whole model. A layer that always stays multiplies each kernel value by
    a constant, so that this game is again one of a Gaussian process.
    """
    players = list(removed)
    stay = np.ones(game.masks.shape[1], dtype=np.bool_)
    stay[players] = False
    away = np.exp(-(~game.masks[:, stay] @ game.kernel.decay[stay]))
    among = replace(
        game,
        kernel=replace(game.kernel, decay=game.kernel.decay[players]),
        masks=game.masks[:, players],
        weights=game.weights * away,
    )
    return -values(among, measure("shapley", len(players)))


def interactions(game: GaussianProcess, how: Measure) -> Floats:
    """The interaction of each pair of layers, (n, n), symmetric, with zeros on the diagonal.

    It is the expected second difference v(S+i+j) - v(S+i) - v(S+j) + v(S) under the same measure: with the Shapley
    measure, the Shapley interaction index (Grabisch and Roubens 1999). Positive: the two layers are worth more together
    than apart (synergy); negative: one makes up for the other (redundancy).
    """
    layers = game.masks.shape[1]
    found = np.zeros((layers, layers))
    for p, weight in zip(how.p, how.weight, strict=True):
        slope, product = _factors(game, p)
        found += weight * (slope.T * (game.weights * product)) @ slope
    np.fill_diagonal(found, 0)
    return np.asarray(found * game.scale)


@one_thread()
def interactions_left_open(game: GaussianProcess, how: Measure) -> Floats:
    """The posterior standard deviation of the interaction of each pair, (n, n), as `interactions`; for real `p`.

    The prior variance is the mean over two independent coalitions of the product of what agreement in each other layer
    gives, times 2 (1 - rho) for each layer of the pair; what the seen masks explain of it is taken off.
    """
    layers, rho = game.masks.shape[1], np.exp(-game.kernel.decay)
    first, second = np.triu_indices(layers, 1)
    p, weight = np.meshgrid(how.p, how.p), np.outer(how.weight, how.weight)
    prior = np.zeros((layers, layers))
    for agree, share in zip((p[0] * p[1] + (1 - p[0]) * (1 - p[1])).ravel(), weight.ravel(), strict=True):
        expected = agree + (1 - agree) * rho
        slope = 2 * (1 - rho) / expected
        prior += share * game.kernel.variance * expected.prod() * np.outer(slope, slope)
    seen = np.zeros((len(game.masks), len(first)))  # covariance of each pair with the worths that were seen
    parts = np.array_split(np.arange(len(first)), -(-len(first) // _PAIRS))
    for kept, share in zip(how.p, how.weight, strict=True):
        slope, product = _factors(game, kept)
        for some in parts:
            seen[:, some] += share * product[:, None] * slope[:, first[some]] * slope[:, second[some]]
    explained = np.concatenate([(seen[:, some] * cho_solve(game.factor, seen[:, some])).sum(axis=0) for some in parts])
    found = np.zeros((layers, layers))
    found[first, second] = np.sqrt(np.maximum(prior[first, second] - explained, 0))
    return np.asarray((found + found.T) * game.scale)


def _factors(game: GaussianProcess, p: float) -> tuple[Floats, Floats]:
    """For each seen mask: (g(kept) - g(dropped)) / expectation of every layer (m, n), and the kernel's own, (m,)."""
    rho = np.exp(-game.kernel.decay)
    kept, dropped = np.where(game.masks, 1.0, rho), np.where(game.masks, rho, 1.0)
    expected = p * kept + (1 - p) * dropped
    return (kept - dropped) / expected, game.kernel.variance * expected.prod(axis=1)
