"""The surrogate in use: it predicts the score PPL_dense / PPL of a coalition from its mask.

It is a Gaussian process on the score, or on the logarithm of the score; `validation` tells which predicts better.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOSSES, WORTHS, targets
from core.records.fits import Learnt
from core.records.results import RunResult
from core.surrogate.gaussian_process import GaussianProcess, Kernel, Process, condition
from core.surrogate.hyperparameters import LEARNT_FROM, learn
from core.surrogate.optimism import optimism

# Random halves of the masks that hyperparameters are learnt from once more.
_HALVES = 4


@dataclass(frozen=True)
class ScoreOf:
    """A process, read as a score."""

    process: Process
    log: bool

    def predict(self, masks: Masks) -> Floats:
        """The predicted score, (masks,)."""
        found = self.process.predict(masks)
        return np.exp(found) if self.log else found

    def with_flips(self, masks: Masks) -> tuple[Floats, Floats]:
        """The predicted score of masks (q, n), and of each with one layer flipped."""
        whole, flipped = self.process.with_flips(masks)
        return (np.exp(whole), np.exp(flipped)) if self.log else (whole, flipped)


@dataclass(frozen=True)
class Surrogate(ScoreOf):
    """A fitted Gaussian process with the measurements behind it."""

    process: GaussianProcess
    measured: Measurements
    halves: tuple[Kernel, ...] = ()  # learnt from random halves of the masks: the doubt of hyperparameters

    def draws(self, count: int, rng: np.random.Generator) -> Iterator[ScoreOf]:
        """Games as they may be, given the masks that were measured: the doubt of sampling."""
        for _ in range(count):
            yield ScoreOf(self.process.draw(rng), self.log)

    def with_halves(self, seed: int) -> "Surrogate":
        """The same with hyperparameters from random halves of the masks, if it has none yet.

        A figure from a random half differs from that of all by as much as that of all does from the truth (the
        delete-half jackknife, Shao and Tu 1995, section 5.2), which no posterior of one kernel knows of.
        """
        if self.halves:
            return self
        rng, masks = np.random.default_rng(seed), self.process.masks
        learnt, known = self._targets(), min(len(masks), LEARNT_FROM)
        halves = [rng.permutation(known)[: (known + 1) // 2] for _ in range(_HALVES)]
        return replace(self, halves=tuple(learn(masks[half], learnt[half]) for half in halves))

    def relearnt(self) -> Iterator[GaussianProcess]:
        """Processes on all masks with the hyperparameters of each half."""
        masks, learnt = self.process.masks, self._targets()
        return (condition(kernel, masks, learnt) for kernel in self.halves)

    def _targets(self) -> Floats:
        """Of the masks that the process has seen, (m,)."""
        return targets(self.measured, self.log)[: len(self.process.masks)]

    @property
    def learnt(self) -> Learnt:
        """Its hyperparameters, to be kept: `fit` takes them."""
        return Learnt(self.log, self.process.kernel.numbers, tuple(half.numbers for half in self.halves))

    @cached_property
    def optimism(self) -> float:
        """By how many posterior deviations the best predicted sets fall short of their prediction, 0 or more."""
        return optimism(self.process, self._targets(), int(self.measured.fewest_kept))

    def on_other_sequences(self, count: int, rng: np.random.Generator) -> Iterator["Surrogate"]:
        """Games as they may be on other text of the same kind: the doubt of calibration."""
        return map(self.on, self.measured.on_other_sequences(count, rng))

    def on(self, other: Measurements) -> "Surrogate":
        """The game on other text, given the losses of the same masks there; hyperparameters stay."""
        return replace(self, process=self.process.retarget(targets(other, self.log)), measured=other)


def learnt_of(known: RunResult | None, worth: str, measured: Measurements) -> Learnt | None:
    """What a finished run of this game has learnt of a worth, if it still serves: learning takes most of a fit's time.

    It does if the run saw as many masks as are learnt from, or a third of those measured by now. Runs learn of losses.
    """
    asked = WORTHS[worth]
    if known is None or asked.measured != LOSSES or known.surrogate.masks < min(LEARNT_FROM, len(measured) / 3):
        return None
    return next((item for item in known.learnt if item.log == asked.log), None)


def fit_worth(measured: Measurements, worth: str, known: RunResult | None) -> Surrogate:
    """A surrogate of a worth by its name, with the hyperparameters of a run of this game if they serve."""
    return fit(measured, log=WORTHS[worth].log, learnt=learnt_of(known, worth, measured))


def fit(measured: Measurements, *, log: bool = True, learnt: Learnt | None = None) -> Surrogate:
    """Learns a surrogate from measured coalitions, and from the whole model, whose score is 1.

    Args:
        measured: the coalitions.
        log: whether it is one of the log score.
        learnt: its hyperparameters, if they are known.
    """
    masks = np.concatenate([np.ones_like(measured.masks[:1]), measured.masks])
    worths = targets(measured, log)
    kernel = Kernel.of(learnt.kernel) if learnt is not None else learn(masks, worths)
    halves = tuple(map(Kernel.of, learnt.halves)) if learnt is not None else ()
    return Surrogate(process=condition(kernel, masks, worths), log=log, measured=measured, halves=halves)
