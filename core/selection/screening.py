"""What a search expects of coalitions that it has not measured: a regression, and a Gaussian process on what it misses.

The target is log(1 + rise of the loss), in which single removals nearly add up. The regression knows three things of a
coalition: what its removals cost one by one, how far the hidden state moves across each run of skipped blocks
(`model.similarity`), and how many players are gone; and a fourth, what is expected of it on other texts, where that is
known. The process, on layers and on pairs of neighbours, learns the rest:
the loss of a contiguous run is often far below what its single removals suggest.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.coalitions.players import Switches, computed, kept
from core.surrogate.gaussian_process import GaussianProcess, Kernel, condition
from core.surrogate.hyperparameters import learn

if TYPE_CHECKING:
    from sklearn.linear_model import Ridge

_RIDGE = 1e-2


@dataclass(frozen=True)
class Basis:
    """What is known before the search."""

    singles: Floats  # rises of single removals, (players,)
    distances: Floats  # of the hidden states between blocks, (blocks + 1, blocks + 1)
    switches: Switches  # what each player switches off, (players, blocks, 2)
    elsewhere: "Expectation | None" = None  # on other texts

    def __call__(self, masks: Masks) -> Floats:
        """The regressors of masks (masks, n), (masks, 3 or 4)."""
        stay = computed(kept(self.switches, masks))
        moved = np.array([sum(self.distances[begin, end] for begin, end in runs(blocks)) for blocks in stay])
        alone = np.log1p(np.maximum(self.singles, 0)) @ (~masks).T
        there = () if self.elsewhere is None else (self.elsewhere.predict(masks)[0],)
        return np.stack([alone, moved, (~masks).sum(axis=1), *there], axis=1)


@dataclass(frozen=True)
class Expectation:
    """Fitted to measured coalitions."""

    basis: Basis
    regression: "Ridge"
    process: GaussianProcess

    def predict(self, masks: Masks) -> tuple[Floats, Floats]:
        """The expected log(1 + rise) of masks (masks, n) and its standard deviation, both (masks,)."""
        features = with_neighbours(masks)
        mean = self.regression.predict(self.basis(masks)) + self.process.predict(features)
        return np.asarray(mean), self.process.deviation(features)


def expect(basis: Basis, masks: Masks, rises: Floats, kernel: Kernel | None = None) -> Expectation:
    """Fits masks (m, n) with their rises (m,) in nats a token; a kernel that is given is not learnt anew."""
    from sklearn.linear_model import Ridge

    targets = np.log1p(np.maximum(rises, -0.5))
    regression = Ridge(alpha=_RIDGE).fit(basis(masks), targets)
    missed = targets - regression.predict(basis(masks))
    features = with_neighbours(masks)
    return Expectation(basis, regression, condition(kernel or learn(features, missed), features, missed))


def singles_of(masks: Masks, rises: Floats) -> Floats:
    """The rises of single removals (players,) among masks; of a player who is never removed alone, the greatest."""
    alone = (~masks).sum(axis=1) == 1
    singles = np.full(masks.shape[1], np.nan)
    singles[np.argmin(masks[alone], axis=1)] = rises[alone]
    singles[np.isnan(singles)] = np.nanmax(singles)
    return singles


def with_neighbours(masks: Masks) -> Masks:
    """Masks (masks, n), and for each pair of neighbours whether one of them is kept: (masks, 2n - 1)."""
    return np.concatenate([masks, masks[:, 1:] | masks[:, :-1]], axis=1)


def runs(mask: Masks) -> list[tuple[int, int]]:
    """The runs of skipped blocks of a mask (blocks,): (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], mask, [True]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
