"""Which coalitions to measure next: those that would teach the surrogate most, and those that may be good plans.

Uniform strata spend most evaluations on ruined models, whose scores are near zero and alike. Half of a round goes to
coalitions of the strata whose log scores are most uncertain given each other, half to neighbours of the best of every
count. The estimates that follow are the surrogate's, which asks nothing of how masks were drawn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.records.spec import RunSpec
from core.sampling.strata import uniform
from core.surrogate.gaussian_process import GaussianProcess
from core.surrogate.surrogate import fit

# Coalitions drawn for the uncertain half, and the noise below which nothing is left to learn of one.
_DRAWN, _KNOWN = 1500, 1e-9


# Of a run's budget, what one round takes; and the fewest masks that are worth a fit.
_ROUND, _SMALLEST_ROUND = 0.1, 10


def next_round(measured: Measurements, masks: Masks, strata: Sequence[int], spec: RunSpec, left: int) -> Masks:
    """The masks that a run measures next, (round, n), the same ones whenever it is resumed; none when it is over.

    Args:
        measured: what it has found, of those of `masks` (known, n) that have a score.
        strata: numbers of kept layers whose contributions are asked for.
        spec: the budget, and the seed.
        left: of the budget.
    """
    count = min(left, max(_SMALLEST_ROUND, int(spec.masks * _ROUND)))
    proposed = propose(measured, strata, count, spec.seed)
    known = {mask.tobytes() for mask in masks}
    return proposed[[mask.tobytes() not in known for mask in proposed]]


def propose(measured: Measurements, strata: Sequence[int], count: int, seed: int) -> Masks:
    """Up to `count` coalitions that have not been measured, (proposed, n).

    Args:
        measured: what is known.
        strata: numbers of kept layers whose contributions are asked for.
        count: how many, at most; fewer where nothing is left.
        seed: with the number of known masks, of what is drawn.
    """
    rng = np.random.default_rng([seed, len(measured)])
    process = fit(measured, log=True).process
    known = {mask.tobytes() for mask in measured.masks}
    promising = _promising(measured, process, known, count // 2)
    known |= {mask.tobytes() for mask in promising}
    layers = measured.masks.shape[1]
    drawn = np.concatenate([uniform(rng, layers, kept, _DRAWN // len(strata)) for kept in strata])
    fresh = list({mask.tobytes(): mask for mask in drawn if mask.tobytes() not in known}.values())
    uncertain = _uncertain(process, np.array(fresh), count - len(promising)) if fresh else []
    return np.array([*promising, *uncertain], dtype=np.bool_).reshape(-1, layers)


def _uncertain(process: GaussianProcess, masks: Masks, count: int) -> list[NDArray[np.bool_]]:
    """One by one the mask whose score is least certain after those before it: a pivoted Cholesky decomposition."""
    covariance = process.covariance(masks)
    chosen: list[int] = []
    for _ in range(min(count, len(masks))):
        best = int(np.diagonal(covariance).argmax())
        if covariance[best, best] < _KNOWN:
            break
        chosen.append(best)
        column = covariance[:, best] / np.sqrt(covariance[best, best])
        covariance = covariance - np.outer(column, column)
    return [masks[row] for row in chosen]


def _promising(
    measured: Measurements, process: GaussianProcess, known: set[bytes], count: int
) -> list[NDArray[np.bool_]]:
    """For one count after the other the neighbour of its best mask with the best prospects: mean + deviation."""
    layers = measured.masks.shape[1]
    counts = range(1, layers // 2 + 1)
    ranked: list[list[NDArray[np.bool_]]] = []
    for gone in counts:
        near = [mask for mask in _neighbours(measured, gone) if mask.tobytes() not in known]
        if near:
            prospects: Floats = process.predict(np.array(near)) + process.deviation(np.array(near))
            ranked.append([near[row] for row in np.argsort(-prospects)])
    turns = [masks[turn] for turn in range(count) for masks in ranked if turn < len(masks)]
    return turns[:count]


def _neighbours(measured: Measurements, gone: int) -> list[NDArray[np.bool_]]:
    """One layer more removed from the best mask that removes one less, and swaps of the best that removes as many."""
    removed = (~measured.masks).sum(axis=1)
    found: dict[bytes, NDArray[np.bool_]] = {}
    for count in (gone - 1, gone):
        rows = np.flatnonzero(removed == count)
        if count == 0:
            best = np.ones(measured.masks.shape[1], dtype=np.bool_)
        elif len(rows):
            best = measured.masks[rows[measured.rises[rows].argmin()]]
        else:
            continue
        for out in np.flatnonzero(best):
            for back in np.flatnonzero(~best) if count == gone else [out]:
                mask = best.copy()
                mask[back] = True
                mask[out] = False
                found[mask.tobytes()] = mask
    return list(found.values())
