"""Which layers to remove."""

from collections.abc import Sequence

from core.errors import SelectionError
from core.results import Contribution


def least_contributing(contributions: Sequence[Contribution], count: int) -> tuple[int, ...]:
    """The `count` layers of smallest contribution, in the order of the model: the paper's ranking (arXiv 2602.07804).

    Raises:
        SelectionError: fewer than one layer would be removed, or none would be left.
    """
    if not 1 <= count < len(contributions):
        raise SelectionError(
            f"{count} layers cannot be removed from a model of {len(contributions)}.",
            f"Remove 1 to {len(contributions) - 1} layers.",
        )
    ranked = sorted(contributions, key=lambda item: item.value)
    return tuple(sorted(item.layer for item in ranked[:count]))
