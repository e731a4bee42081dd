"""A Gaussian process on the log score of coalitions, or on the score, with what it was fitted to.

That on the log score predicts perplexities; scores come from both (`stacked`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOSSES, WORTHS, targets
from core.records.fits import Learnt
from core.records.results import RunResult
from core.surrogate.gaussian_process import Kernel, condition
from core.surrogate.hyperparameters import LEARNT_FROM, learn
from core.surrogate.optimism import optimism
from core.surrogate.process_readings import LogScoreOf, ScoreOf

FOLDS = 5
PROCESSES = ("Gaussian process on the log score", "Gaussian process on the score")


@dataclass(frozen=True)
class Surrogate(ScoreOf):
    """A fitted Gaussian process with the measurements behind it."""

    measured: Measurements
    fifths: tuple[Kernel, ...] = ()  # hyperparameters learnt without each fold: what they owe to the masks

    @property
    def name(self) -> str:
        """Its kind, for people."""
        return PROCESSES[0] if self.log else PROCESSES[1]

    @overload
    def reading(self, log: Literal[False]) -> ScoreOf: ...
    @overload
    def reading(self, log: bool) -> LogScoreOf | ScoreOf: ...
    def reading(self, log: bool) -> LogScoreOf | ScoreOf:
        """It, read as the log score or as the score."""
        assert self.log or not log, "a process on the score says nothing of its logarithm"
        return LogScoreOf(self.process) if log else ScoreOf(self.process, self.log)

    def with_fifths(self, seed: int) -> "Surrogate":
        """The same with hyperparameters that each fold of the masks has not seen, if it has none yet."""
        if self.fifths:
            return self
        return replace(self, fifths=tuple(fit(seen, log=self.log).process.kernel for seen, _ in self._folds(seed)))

    def without_fifths(self, seed: int) -> Iterator[tuple["Surrogate", NDArray[np.bool_]]]:
        """Surrogates that have not seen one fold each, and which masks that fold is, (masks,); `seed` is of folds."""
        held = self.with_fifths(seed)
        for kernel, (seen, out) in zip(held.fifths, held._folds(seed), strict=True):
            yield fit(seen, log=self.log, learnt=Learnt(self.log, kernel.numbers)), out

    @cached_property
    def optimism(self) -> float:
        """By how many posterior deviations the best predicted sets fall short of their prediction, 0 or more."""
        seen = _lessons(self.measured, self.log)[1][: len(self.process.masks)]
        return optimism(self.process, seen, int(self.measured.fewest_kept))

    def held_out(self, seed: int) -> Floats:
        """The predicted score of each mask by a fit that has not seen it, (masks,)."""
        predicted = np.empty(len(self.measured))
        for other, out in self.without_fifths(seed):
            predicted[out] = other.predict(self.measured.masks[out])
        return predicted

    def on(self, other: Measurements) -> "Surrogate":
        """The game on other text, given the losses of the same masks there; hyperparameters stay."""
        return replace(self, process=self.process.retarget(_lessons(other, self.log)[1]), measured=other)

    @property
    def learnt(self) -> Learnt:
        """Its hyperparameters, to be kept: `fit` takes them."""
        return Learnt(self.log, self.process.kernel.numbers, tuple(fifth.numbers for fifth in self.fifths))

    def _folds(self, seed: int) -> Iterator[tuple[Measurements, NDArray[np.bool_]]]:
        folds = folds_of(self.measured.masks, seed)
        return ((self.measured[folds != fold], folds == fold) for fold in range(FOLDS))


def folds_of(masks: Masks, seed: int) -> NDArray[np.int64]:
    """The fold of each mask; every fold has its share of every Hamming weight."""
    folds = np.empty(len(masks), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(masks))
    order = order[np.argsort(masks[order].sum(axis=1), kind="stable")]
    folds[order] = np.arange(len(masks)) % FOLDS
    return folds


def learnt_of(known: RunResult | None, worth: str, measured: Measurements) -> Learnt | None:
    """What a finished run of this game has learnt of a worth, if it still serves: learning takes most of a fit's time.

    It does if the run saw as many masks as are learnt from, or a third of those measured by now. Runs learn of losses.
    """
    asked = WORTHS[worth]
    if known is None or asked.measured != LOSSES or known.surrogate.masks < min(LEARNT_FROM, len(measured) / 3):
        return None
    return next((item for item in known.learnt if item.log == asked.log), None)


def _lessons(measured: Measurements, log: bool) -> tuple[Masks, Floats]:
    """What there is to learn from: the whole model and the masks that teach (m, n), with their worths (m,)."""
    teach = measured.teach
    masks = np.concatenate([np.ones_like(measured.masks[:1]), measured.masks[teach]])
    return masks, targets(measured, log)[np.append(True, teach)]


def fit_worth(measured: Measurements, worth: str, known: RunResult | None) -> Surrogate:
    """A process on a worth by its name, with the hyperparameters of a run of this game if they serve."""
    return fit(measured, log=WORTHS[worth].log, learnt=learnt_of(known, worth, measured))


def fit(measured: Measurements, *, log: bool = True, learnt: Learnt | None = None) -> Surrogate:
    """Learns a surrogate from measured coalitions, and from the whole model, whose score is 1.

    Args:
        measured: the coalitions.
        log: whether it is one of the log score.
        learnt: its hyperparameters, if they are known.
    """
    masks, worths = _lessons(measured, log)
    kernel = Kernel.of(learnt.kernel) if learnt is not None else learn(masks, worths)
    fifths = tuple(map(Kernel.of, learnt.fifths)) if learnt is not None else ()
    return Surrogate(process=condition(kernel, masks, worths), log=log, measured=measured, fifths=fifths)
