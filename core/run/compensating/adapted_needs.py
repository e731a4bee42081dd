"""Which layers a text needs when the others may adapt: the run's own game, with every coalition compensated.

A coalition is worth the log score of the run's windows after a compensation of each of its cuts, which is fitted on
windows that judge nothing. Cuts are what it pays for, so that layers beside each other lose by each other less than
they do as they are.
"""

import hashlib
import json
import math
import time
from collections.abc import Generator
from contextlib import ExitStack
from typing import TypeVar

import numpy as np

from core.coalitions.masks import Masks, encode
from core.coalitions.measurements import Floats, Measurements
from core.compensation.compensate import check_asked, check_changeable, compensate, held_of
from core.compensation.projections import patched
from core.errors import TaskError
from core.evaluate.game import Game, Games
from core.evaluate.reference import check_finite, sequence_losses
from core.records.behaviour.needs import FEWEST_ITEMS, TaskNeeds, fit_windows
from core.records.behaviour.task_scores import Answer
from core.records.events import Event, Progress, Stage
from core.records.mends import FITTING, Compensate
from core.records.spec import RunSpec
from core.records.storage import Store
from core.run.compensating.own_windows import judged_and_fitted
from core.run.course import alone
from core.tasks.named_task import NamedTask
from core.tasks.needing import Estimates, estimated
from core.text.windows import Windows

_Found = TypeVar("_Found")


def adapted_needs(
    store: Store, games: Games, *, spec: RunSpec, game: str, how: Compensate, masks: Masks, wanted: Estimates
) -> Generator[Event, None, TaskNeeds]:
    """What each layer adds to the prediction of a run's text where every coalition is compensated.

    Args:
        store: keeps every coalition's losses as soon as they are known, and is asked first.
        games: opens the run's text.
        spec, game: the run's request, and the key of what it measured.
        how: what is fitted; without a number of windows `fit_windows`.
        masks: the coalitions (masks, players).
        wanted: what is estimated.

    Raises:
        QuorumError: before any fit if the request is wrong, the family cannot be compensated, or the text has changed
            or is too short; what has been stored stays in any case.
    """
    check_asked(spec.players, how.windows)
    if spec.sequences < FEWEST_ITEMS:
        raise TaskError(
            f"The run has {spec.sequences} windows, and values are told by two halves of them.",
            f"Start a run on {FEWEST_ITEMS} or more: --sequences {FEWEST_ITEMS}.",
        )
    base = yield from games.open(spec, spec.text(), check=lambda _: None)
    base.check_same(game)
    yield Stage("Looking whether the model can be compensated")
    check_changeable(base.loaded, how.how)
    windows, exactly = how.windows or fit_windows(spec.window), how.windows is not None
    judge, fit = yield from judged_and_fitted(games, spec, windows, base.windows.protocol, exactly=exactly)
    with ExitStack() as held:
        yield from alone(held, store, base)
        losses = yield from _losses(store, base, judge, fit, how.how, masks)
    yield Stage(f"Estimating what the text needs after {how.how}")
    task = NamedTask(how.how, None, judge.protocol.split, _source(judge, fit), str(FITTING), 0)
    return estimated(task, Measurements(masks, losses[1:], losses[0]), wanted, spec.seed)


def _losses(
    store: Store, base: Game, judge: Windows, fit: Windows, how: str, masks: Masks
) -> Generator[Event, None, Floats]:
    """The losses of the whole model first, then of each mask (1 + masks, sequences), of all that was not known."""
    every = np.concatenate([np.ones_like(masks[:1]), masks])
    digests = _digests(judge, fit, how)
    found, model = np.empty((len(every), len(digests))), base.loaded.info
    missing = []
    for row, mask in enumerate(every):
        known = store.answers(model, encode(mask), digests)
        if all(digest in known for digest in digests):  # two windows may be alike
            found[row] = [-known[digest].likelihoods[0] for digest in digests]
        else:
            missing.append(row)
    cached, begun = len(every) - len(missing), time.monotonic()
    for done, row in enumerate(missing):
        rate = done / max(time.monotonic() - begun, 1e-9)
        left = (len(missing) - done) / rate if done else math.nan
        told = Progress(cached + done, len(every), cached, rate, left)
        yield told
        _, patches = yield from _instead(told, compensate(base.loaded, fit, every[row], how))
        with patched(base.loaded.model, patches):
            found[row] = sequence_losses(base.loaded, judge.ids, every[row])
        check_finite(base.loaded, judge.ids, every[row], found[row].astype(np.float32))
        answers = [Answer((-float(loss),), (False,)) for loss in found[row]]
        store.record_answers(model, {encode(every[row]): dict(zip(digests, answers, strict=True))})
    return found


def _instead(told: Event, steps: Generator[Event, None, _Found]) -> Generator[Event, None, _Found]:
    """What steps come to; each of them says again what was told before them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _Found = end.value
            return found
        yield told


def _digests(judge: Windows, fit: Windows, how: str) -> list[str]:
    """Under which a window's loss is kept, (sequences,): it hangs on what was fitted, and on what decided."""
    fitted = how, FITTING, fit.protocol.tokens, len(fit.ids), held_of(len(fit.ids))
    return [hashlib.sha256(json.dumps([fitted, row]).encode()).hexdigest()[:24] for row in judge.ids.tolist()]


def _source(judge: Windows, fit: Windows) -> str:
    """The windows, in words."""
    return f"{judge.protocol}; fitted on the next {len(fit.ids)} windows, the last {held_of(len(fit.ids))} deciding"
