"""The search for the best removals of every count at once: propose, screen, race, and sweep over the counts.

A visit of a count k takes as candidates one more removal from the best of k - 1, one restored from the best of k + 1,
swaps of the best of k, and what was best on other texts, where that is asked for; an expectation learnt from all that
was measured screens them, and a race decides: all that pass begin on a few sequences, and only those that the leader
has not clearly beaten go on to more. Sweeps up and down the counts repeat this until the budget is spent. The finalists
of each count are settled on further text.

The scheme is a beam over counts with surrogate screening; racing is that of Maron and Moore (1994), on paired losses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, removed, without
from core.coalitions.measurements import Floats
from core.evaluate.meter import Meter
from core.selection.earlier import Earlier
from core.selection.screening import Basis, Expectation, expect, singles_of
from core.surrogate.gaussian_process import Kernel

# Bests of a count whose neighbours are looked at.
_BEAM = 3
# Swaps of two removed layers at once that are looked at, besides all swaps of one.
_DOUBLE = 300
# Share of those in a race that may go on after each stage.
_GO_ON = 0.4
# The cost of a mask whose loss is not a number, nats a token.
_RUINED = 1e3
# A rival further behind than this many standard errors is beaten.
_BEATEN = 1.5
# The share of the budget that is kept for the finalists, and how many of a count there are at least.
_RESERVE, _FINALISTS = 0.4, 4
# Those left behind in earlier races that may try again, in each race: a few sequences can be wrong.
_SECOND_CHANCE = 3
# Kernels are learnt anew when this many times more is known.
_RELEARN = 1.3


@dataclass
class Search:
    """Looks for masks of least loss that remove 1..`most` layers, none of them `protected`."""

    meter: Meter
    distances: Floats  # of hidden states, (blocks + 1, blocks + 1): how far each run of blocks moves them
    most: int
    raced: int  # the sequences that races run to, one of the meter's stages; finalists are settled on all
    protected: Sequence[int] = ()
    seed: int = 0
    earlier: Earlier | None = None  # what is known from other texts
    tried: dict[int, list[NDArray[np.bool_]]] = field(default_factory=dict)
    best: dict[int, NDArray[np.bool_]] = field(default_factory=dict)  # of each count

    def run(self, budget: float) -> Iterator[float]:
        """Searches until `budget`, in block-token evaluations, is spent; yields the share of its work that is done.

        One sweep over all counts is made in any case; what it takes is the least that a search can cost. What finalists
        do not need of the budget stays unspent.
        """
        budget = max(budget, 1.0)
        self._rng = np.random.default_rng(self.seed)
        self._free = [layer for layer in range(self.meter.players) if layer not in set(self.protected)]
        self._kernel: tuple[int, Kernel] | None = None
        self._elsewhere = self._expected_elsewhere()
        begun = self.meter.spent
        self._dense = self._costs(self.meter.whole[None], self.meter.stages[-1])[0]
        self._width = max(6, round(14 * (budget / self.meter.unit(self.raced)) ** 0.5))
        self._first()
        races = (1 - _RESERVE) * budget
        for count in self._sweeps():
            spent = self.meter.spent - begun
            yield spent / (max(spent, races) + self._ahead(1, budget - races))
            if spent > races and len(self.best) == self.most:
                break
            self._visit(count)
        for count in range(1, self.most + 1):
            left = budget + begun - self.meter.spent
            self._settle(count, left / (self.most - count + 1))
            spent = max(self.meter.spent - begun, 1.0)
            yield spent / (spent + self._ahead(count + 1, budget - spent))

    def _sweeps(self) -> Iterator[int]:
        """Counts to visit, up and down, until nothing is left to try; where nothing changes, more is looked at."""
        while True:
            before, spent = {count: mask.tobytes() for count, mask in self.best.items()}, self.meter.spent
            yield from chain(range(2, self.most + 1), range(self.most - 1, 0, -1))
            if before == {count: mask.tobytes() for count, mask in self.best.items()}:
                if spent == self.meter.spent:
                    return
                self._width *= 2

    def rise(self, mask: NDArray[np.bool_]) -> float:
        """The estimated rise of a mask's cost; the best of its count tells how the first sequences differ from all."""
        best = self.best.get(int((~mask).sum()), self.meter.whole)
        own, reference = (self._costs(one[None], self.meter.depth(one))[0] for one in (mask, best))
        common = min(len(own), len(reference))
        on_all = float(reference.mean() - self._dense[: len(reference)].mean())
        return on_all + float(own[:common].mean() - reference[:common].mean())

    def rises(self, depth: int) -> dict[int, list[tuple[NDArray[np.bool_], float]]]:
        """For each count, the masks known on `depth` sequences or more, with their rises."""
        return {count: [(mask, self.rise(mask)) for mask in self.ranked(count, depth)] for count in self.tried}

    def _costs(self, masks: Masks, sequences: int) -> Floats:
        """What is minimised, (masks, sequences): the mean of the NLL and of KL from the whole model, nats a token.

        The NLL is what is asked for, on text that nobody has; KL compares all of a prediction instead of the one token
        that came, so that few sequences tell as much about it as many tell about the NLL. What is no number is worse
        than anything that is one.
        """
        costs = (self.meter.losses(masks, sequences) + self.meter.divergences(masks, sequences)) / 2
        return np.where(np.isfinite(costs), costs, _RUINED)

    def ranked(self, count: int, depth: int = 0) -> list[NDArray[np.bool_]]:
        """The tried masks of a count that are known on `depth` sequences or more, best first."""
        return sorted((mask for mask in self.tried.get(count, []) if self.meter.depth(mask) >= depth), key=self.rise)

    def _first(self) -> None:
        """All single removals."""
        masks = np.repeat(self.meter.whole[None], len(self._free), axis=0)
        masks[np.arange(len(self._free)), self._free] = False
        self._race(1, masks)

    def _visit(self, count: int) -> None:
        candidates = self._candidates(count)
        if len(candidates):
            mean, deviation = self._expectation().predict(candidates)
            candidates = candidates[np.argsort(mean - deviation)[: self._width]]
        self._race(count, candidates)

    def _candidates(self, count: int) -> Masks:
        """Neighbours of the bests that have not been tried."""
        found: dict[bytes, NDArray[np.bool_]] = {}

        def add(mask: NDArray[np.bool_], *flip: int) -> None:
            other = mask.copy()
            other[list(flip)] ^= True
            found.setdefault(other.tobytes(), other)

        for mask in self.earlier.best(count, _BEAM) if self.earlier else ():
            add(mask)
        for mask in self.ranked(count - 1, self.raced)[:_BEAM]:
            for layer in self._kept(mask):
                add(mask, layer)
        for mask in self.ranked(count + 1, self.raced)[:_BEAM]:
            for layer in removed(mask):
                add(mask, layer)
        for mask in self.ranked(count, self.raced)[:_BEAM]:
            kept, gone = self._kept(mask), removed(mask)
            for out in kept:
                for back in gone:
                    add(mask, out, back)
            if count > 1 and len(kept) > 1:
                for _ in range(_DOUBLE):
                    pairs = self._rng.choice(kept, 2, replace=False), self._rng.choice(gone, 2, replace=False)
                    add(mask, *pairs[0], *pairs[1])
        known = {mask.tobytes() for mask in self.tried.get(count, [])}
        fresh = [mask for key, mask in found.items() if key not in known]
        return np.array(fresh, dtype=np.bool_).reshape(-1, self.meter.players)

    def _kept(self, mask: NDArray[np.bool_]) -> list[int]:
        return [layer for layer in self._free if mask[layer]]

    def _race(self, count: int, challengers: Masks) -> None:
        """Measures challengers on more and more sequences; the best of the count defends its place."""
        behind = [mask for mask in self.ranked(count) if self.meter.depth(mask) < self.raced]
        field = [*challengers, *behind[:_SECOND_CHANCE]]
        self.tried.setdefault(count, []).extend(challengers)
        if not field:
            return
        for stage in [stage for stage in self.meter.stages if stage <= self.raced]:
            runners = [*field, *self._defender(count)]
            costs = self._costs(np.array(runners), stage)
            field = self._not_beaten(costs, field, most=max(2, int(len(field) * _GO_ON)))
            if not field:
                return
        self._crown(count, field, self.raced)

    def _defender(self, count: int) -> list[NDArray[np.bool_]]:
        return [self.best[count]] if count in self.best else []

    def _not_beaten(self, costs: Floats, field: list[NDArray[np.bool_]], most: int) -> list[NDArray[np.bool_]]:
        """Those of the field that may still win; rows of `costs` beyond the field are the defender's."""
        mean = costs.mean(axis=1)
        behind = costs - costs[mean.argmin()]
        # One deviation for all, since a few sequences tell little about each; one sequence tells nothing about it.
        sequences = costs.shape[1]
        error = np.sqrt(behind.var(axis=1, ddof=1).mean() / sequences) if sequences > 1 else np.inf
        alive = [row for row in np.argsort(mean[: len(field)]) if behind[row].mean() <= _BEATEN * error]
        return [field[row] for row in alive[:most]]

    def _crown(self, count: int, field: Sequence[NDArray[np.bool_]], stage: int) -> None:
        rivals = [*field, *self._defender(count)]
        costs = self._costs(np.array(rivals), stage)
        self.best[count] = rivals[int(costs.mean(axis=1).argmin())]

    def _settle(self, count: int, budget: float) -> None:
        """Decides between the finalists of a count on further sequences, half of them on twice as many."""
        end = self.meter.spent + budget
        for known, stage, finalists in self._finals():
            affordable = int((end - self.meter.spent) / self.meter.cost(self.best[count], stage - known))
            self._crown(count, self.ranked(count, known)[: max(1, min(finalists, affordable))], stage)
        self._crown(count, [], self.meter.stages[-1])

    def _ahead(self, first: int, left: float) -> float:
        """What settling the counts from `first` on is thought to take of what is left of the budget."""
        fresh, taken = self.meter.spent / self.meter.plain, 0.0  # the share of a forward that is not shared
        for count in range(first, self.most + 1):
            end = taken + (left - taken) / (self.most - count + 1)
            mask = self.best.get(count, without(self.meter.players, self._free[:count]))
            for known, stage, finalists in self._finals():
                cost = self.meter.cost(mask, stage - known)
                taken += max(1, min(finalists, int((end - taken) / cost))) * cost * fresh
        return taken

    def _finals(self) -> Iterator[tuple[int, int, int]]:
        """The sequences that finalists are known on, those that they go on to, and how many of them at most."""
        further = [stage for stage in self.meter.stages if stage > self.raced]
        finalists = max(_FINALISTS, 2 ** len(further))
        for known, stage in pairwise([self.raced, *further]):
            yield known, stage, finalists
            finalists = max(2, finalists // 2)

    def _expectation(self) -> Expectation:
        masks = np.array([mask for count in sorted(self.tried) for mask in self.tried[count]])
        rises = np.array([self.rise(mask) for mask in masks])
        kernel = self._kernel[1] if self._kernel and len(masks) < _RELEARN * self._kernel[0] else None
        basis = Basis(singles_of(masks, rises), self.distances, self.meter.switches, self._elsewhere)
        found = expect(basis, masks, rises, kernel)
        if kernel is None:
            self._kernel = len(masks), found.process.kernel
        return found

    def _expected_elsewhere(self) -> Expectation | None:
        if self.earlier is None:
            return None
        masks, rises = self.earlier.masks, self.earlier.rises
        return expect(Basis(singles_of(masks, rises), self.distances, self.meter.switches), masks, rises)
