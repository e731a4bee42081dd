"""Removals of 1, 2, 3, … layers: the paper's ranking, a path of plans that hold each other, and where a curve bends."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import SelectionError
from core.records.values import Contribution


def least_contributing(contributions: Sequence[Contribution], count: int) -> tuple[int, ...]:
    """The `count` layers of smallest contribution, in the order of the model: the paper's ranking (arXiv 2602.07804).

    Raises:
        SelectionError: fewer than one layer would be removed, or none would be left.
    """
    if not 1 <= count < len(contributions):
        raise SelectionError(
            f"{count} of {len(contributions)} players cannot be removed.",
            f"Remove 1 to {len(contributions) - 1}.",
        )
    ranked = sorted(contributions, key=lambda item: item.value)
    return tuple(sorted(item.layer for item in ranked[:count]))


def knee(losses: Sequence[float]) -> int | None:
    """The number of removed layers from which on a layer costs more than it did before; None where nothing bends.

    Args:
        losses: the mean loss without 0, 1, 2, … layers, nats a token.

    Returns:
        The count whose loss lies furthest below the straight line from the first to the last (Satopaa et al. 2011,
        "Finding a Kneedle in a Haystack").
    """
    if len(losses) < 3:
        return None
    line = np.linspace(losses[0], losses[-1], len(losses))
    below = line - np.asarray(losses)
    best = int(below.argmax())
    return best if below[best] > 0 else None


def nested(found: Mapping[int, Sequence[tuple[NDArray[np.bool_], float]]]) -> list[NDArray[np.bool_]]:
    """The path of masks, each keeping a subset of what the one before keeps, whose losses rise least in all.

    Args:
        found: for each number of removed layers, masks with the rise of their loss in nats.

    Returns:
        A mask for each count; shorter if no path goes on. The sum that is least is that of log(1 + rise), in which no
        count outweighs the others.
    """
    paths: list[tuple[float, list[NDArray[np.bool_]]]] = [(0.0, [])]
    for count in sorted(found):
        longer = []
        for mask, rise in found[count]:
            before = [path for path in paths if not path[1] or not (mask & ~path[1][-1]).any()]
            if before:
                cost, path = min(before, key=lambda item: item[0])
                longer.append((cost + float(np.log1p(max(rise, -0.5))), [*path, mask]))
        if not longer:
            break
        paths = longer
    return min(paths, key=lambda item: item[0])[1]
