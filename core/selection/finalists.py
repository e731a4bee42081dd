"""Which removals are worth a compensation: after it a cut costs more than a layer does.

What is left of a rise of the loss, once the layers that stay may adapt, is a share of it and something for each cut.
Both are learnt from the removals that were compensated, of all counts, and a surrogate of the game without compensation
says the rest: it proposes sets that no search without compensation would keep.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from core.coalitions.masks import Masks, removed
from core.coalitions.measurements import Floats
from core.selection.best_sets import best_removals

Removal = tuple[int, ...]


class Plain(NamedTuple):
    """A removal without compensation."""

    rise: float  # of the mean loss, nats a token
    cuts: float  # runs of removed layers


MOST = 3  # of each count that are compensated
_PROPOSED = 6  # of each count that are measured without it


@dataclass(frozen=True)
class Adapting:
    """What compensation leaves of a rise of the mean loss, nats a token."""

    share: float  # of the rise
    cut: float  # for each run of removed layers

    def after(self, rises: Floats, cuts: Floats) -> Floats:
        """The expected rise after compensation, (removals,), of what it is without it and the numbers of cuts."""
        return self.share * rises + self.cut * cuts


# Before anything is compensated: of Llamas of 30 layers about so much is left, give or take, and so much is noise.
PRIOR = Adapting(0.5, 0.05)
_DEVIATION, _NOISE = np.array([0.2, 0.05]), 0.05


def adapting(rises: Sequence[float], cuts: Sequence[int], after: Sequence[float]) -> Adapting:
    """Learns it by Bayesian linear regression from removals, each with its rises without and with compensation."""
    x = np.array([rises, cuts], dtype=np.float64).T.reshape(-1, 2)
    precision = np.diag(_DEVIATION**-2)
    # What comes beyond what was thought before.
    beyond = np.array(after) - PRIOR.after(x[:, 0], x[:, 1])
    share, cut = np.linalg.solve(x.T @ x / _NOISE**2 + precision, x.T @ beyond / _NOISE**2)
    return Adapting(PRIOR.share + float(share), PRIOR.cut + float(cut))


def proposed(
    log_scores: Callable[[Masks], Floats],
    adapts: Adapting,
    spans: Sequence[tuple[int, int]],
    count: int,
    protected: Sequence[int],
) -> list[Removal]:
    """The removals of so many players that are expected to be best after compensation, the best first.

    Args:
        log_scores: what a surrogate predicts without it, of masks (masks, players), (masks,).
        adapts: what compensation leaves of that.
        spans: the blocks of each player of the game, from the first to before the last.
        count: players to remove.
        protected: players that stay.
    """

    def worth(masks: Masks) -> Floats:
        return -adapts.after(-log_scores(masks), cuts_in(masks, spans))

    return [removed(mask) for mask in best_removals(worth, len(spans), count, _PROPOSED, protected)]


def next_finalist(pool: Mapping[Removal, Plain], judged: Collection[Removal], adapts: Adapting) -> Removal | None:
    """The removal that is expected to be best of those not yet judged, by measured rises; None where all are."""
    left = {one: plain for one, plain in pool.items() if one not in judged and np.isfinite(plain.rise)}
    if not left:
        return None
    rises, cuts = np.array(list(left.values()), dtype=np.float64).T
    return list(left)[int(adapts.after(rises, cuts).argmin())]


def cuts_in(masks: Masks, spans: Sequence[tuple[int, int]]) -> Floats:
    """The runs of removed layers of masks (masks, players), (masks,); players who adjoin make one."""
    gone, joined = ~masks, np.array([False, *(before[1] == after[0] for before, after in pairwise(spans))])
    before = np.roll(gone, 1, axis=1) & joined
    return np.asarray((gone & ~before).sum(axis=1), dtype=np.float64)


def nearest_runs(
    cosine: Floats, spans: Sequence[tuple[int, int]], count: int, protected: Collection[int], most: int = 2
) -> list[Removal]:
    """The runs of so many players in a row that turn the hidden state least, `most` of them.

    Args:
        cosine: of hidden states, (blocks + 1, blocks + 1), as of `core.model.similarity`.
        spans: the blocks of each player, from the first to before the last.
        count: players in a run.
        protected: players that stay.
        most: runs that are wanted.
    """
    runs = [tuple(range(begin, begin + count)) for begin in range(len(spans) - count + 1)]
    free = [run for run in runs if not set(run) & set(protected) and _adjoin([spans[player] for player in run])]
    moved = [1 - cosine[spans[run[0]][0], spans[run[-1]][1]] for run in free]
    return [free[place] for place in np.argsort(moved, kind="stable")[:most]]


def _adjoin(spans: Sequence[tuple[int, int]]) -> bool:
    """Whether each begins where the one before has ended."""
    return all(before[1] == after[0] for before, after in pairwise(spans))
