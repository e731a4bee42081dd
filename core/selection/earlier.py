"""What is known of removals from other texts: a search may begin with it, and so take less.

Perplexities of a model without some layers differ from text to text far more than their order does: the sets that were
best on one text are good candidates on the next, and a surrogate of what was measured there tells which others are.
What decides is measured on the text at hand, as always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, decode
from core.coalitions.measurements import Floats

# Of each count, the best that are taken: those far from the best tell nothing of it, and a fit takes their cube.
_EACH = 25


@dataclass(frozen=True)
class Earlier:
    """Removals measured on other texts, of each count the best ones, best first."""

    masks: Masks  # (removals, players)
    rises: Floats  # of the mean loss, means over the texts, nats a token, (removals,)

    def best(self, count: int, most: int) -> list[NDArray[np.bool_]]:
        """The `most` best masks without `count` players."""
        return list(self.masks[(~self.masks).sum(axis=1) == count][:most])


def earlier_of(rises: Mapping[str, float], most: int, protected: Sequence[int] = ()) -> Earlier | None:
    """The removals of up to `most` players, none of them protected, that a search can begin with; None without any.

    Args:
        rises: of the mean loss, by mask, as `Store.rises_elsewhere` gives them.
        most: players that the search removes.
        protected: players that stay.
    """
    every = [(decode(mask), rise) for mask, rise in sorted(rises.items(), key=lambda item: item[1])]
    found: dict[int, list[tuple[NDArray[np.bool_], float]]] = {}
    for mask, rise in every:
        count = int((~mask).sum())
        if 1 <= count <= most and mask[list(protected)].all() and np.isfinite(rise):
            found.setdefault(count, []).append((mask, rise))
    singles = found.get(1, [])
    if not singles:
        return None
    kept = [*singles, *(one for count in sorted(found) if count > 1 for one in found[count][:_EACH])]
    masks, costs = zip(*kept, strict=True)
    return Earlier(np.array(masks), np.array(costs))
