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
    rises: Floats  # of the mean loss, means over the texts, each in units of its own, nats a token, (removals,)

    def best(self, count: int, most: int) -> list[NDArray[np.bool_]]:
        """The `most` best masks without `count` players."""
        return list(self.masks[(~self.masks).sum(axis=1) == count][:most])


def earlier_of(texts: Sequence[Mapping[str, float]], most: int, protected: Sequence[int] = ()) -> Earlier | None:
    """The removals of up to `most` players, none of them protected, that a search can begin with; None without any.

    A text on which all costs more would hide the others: each is counted in its mean rise of a single removal, and a
    text without single removals does not count.

    Args:
        texts: for each, rises of the mean loss by mask, as `Store.rises_elsewhere` gives them.
        most: players that the search removes.
        protected: players that stay.
    """
    scales, found = [], dict[bytes, list[float]]()
    for rises in texts:
        masks = np.array([decode(mask) for mask in rises])
        costs, gone = np.array(list(rises.values())), (~masks).sum(axis=1)
        scale = costs[gone == 1].mean() if (gone == 1).any() else 0.0
        if not scale > 0:
            continue
        scales.append(scale)
        usable = (gone >= 1) & (gone <= most) & masks[:, list(protected)].all(axis=1)
        for mask, cost in zip(masks[usable], costs[usable] / scale, strict=True):
            found.setdefault(mask.tobytes(), []).append(float(cost))
    if not found:
        return None
    masks = np.array([np.frombuffer(mask, dtype=np.bool_) for mask in found])
    means = np.array([np.mean(costs) for costs in found.values()]) * np.mean(scales)
    gone, order = (~masks).sum(axis=1), np.argsort(means, kind="stable")
    kept = [row for count in range(1, most + 1) for row in order[gone[order] == count][: None if count == 1 else _EACH]]
    return Earlier(masks[kept], means[kept]) if (gone[kept] == 1).any() else None
