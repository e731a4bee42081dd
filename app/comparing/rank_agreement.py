"""How alike runs rank the layers: every two of them, also where their models are of different depth."""

from collections.abc import Sequence

import numpy as np

from core.coalitions.measurements import Floats
from core.coalitions.ranks import rank_correlation
from core.records.results import RunResult


def are_layered_alike(results: Sequence[RunResult]) -> bool:
    """Whether the same players, by name, play in all of them, so that they compare layer by layer."""
    return len({result.model.players for result in results}) == 1


def depths(players: int) -> Floats:
    """The relative depth of each player: 0 is next to the embedding, 1 next to the predictions."""
    return np.linspace(0, 1, players)


def correlations(results: Sequence[RunResult]) -> Floats:
    """Spearman's of the contributions of every two runs, (runs, runs)."""
    found = np.eye(len(results))
    for row, one in enumerate(results):
        for column, other in enumerate(results[:row]):
            found[row, column] = found[column, row] = _correlation(one, other)
    return found


def _correlation(one: RunResult, other: RunResult) -> float:
    """Layer by layer; where players differ, the deeper run's are interpolated at the depths of the other's."""
    few, many = sorted((_values(one), _values(other)), key=len)
    if not are_layered_alike((one, other)):
        many = np.interp(depths(len(few)), depths(len(many)), many)
    return rank_correlation(few, many)


def _values(result: RunResult) -> Floats:
    return np.array([item.value for item in result.overall])
