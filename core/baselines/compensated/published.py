"""Methods that compensate in their own way, judged with it, as they were published: every fit is taken."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from core.baselines.cbo import check_derivatives
from core.baselines.compensated.judging import judged
from core.baselines.compensated.linearpatch import rotation
from core.baselines.compensated.repair import Repair
from core.baselines.contest import Contest
from core.baselines.table import REPAIRS
from core.coalitions.masks import encode
from core.coalitions.measurements import Floats
from core.compensation.projections import projections
from core.compensation.scale import divisible
from core.errors import UnsupportedModel
from core.model.model import LoadedModel
from core.pauses import Pause
from core.records.behaviour.mended import ScaledPath, path_by
from core.records.events import Event, Stage
from core.records.mends import Mend
from core.records.plans import Plan
from core.records.spec import TextProtocol
from core.records.storage import Store
from core.selection.plan import plan_of
from core.text.windows import Windows


def check_methods(loaded: LoadedModel, methods: Iterable[str]) -> None:
    """UnsupportedModel or SelectionError where one of these methods could not do to a model what is part of it."""
    blocks = list(range(len(loaded.blocks)))
    for name in methods:
        try:
            match name:
                case "prune-comp":
                    divisible(loaded, blocks[1:])
                case "replaceme":
                    projections(loaded, blocks)
                case "linearpatch":
                    rotation(loaded)
                case "cbo":
                    check_derivatives(loaded)
        except UnsupportedModel as cause:
            hint = f"Leave out {name}, such as with --methods quorum,sleb."
            raise UnsupportedModel(f"{name} changes weights: {cause.message}", hint) from cause


def remembering(
    contest: Contest, store: Store, name: str, chosen: TextProtocol, fitted: TextProtocol, between: Pause
) -> Contest:
    """A contest that knows how far a method has come by turns, and keeps each further one; `between` follows it."""
    info, whole = contest.loaded.info, encode(contest.meter.whole)
    known = store.traits(info, [whole])[whole].path.get(path_by(name, chosen, fitted))
    path = list(zip(known.players, known.scales, strict=True)) if known is not None else []

    def keep() -> None:
        players, scales = zip(*path, strict=True)
        store.record_traits(info, whole, ScaledPath(name, chosen, fitted, players, scales))
        between()

    return replace(contest, path=path, keep=keep)


def published(
    store: Store,
    contest: Contest,
    name: str,
    chosen: TextProtocol,
    fit: Windows,
    judge: Windows,
    whole: Floats,
    removals: Iterable[tuple[int, ...]],
    between: Pause,
) -> Generator[Event, None, tuple[Plan, ...]]:
    """What a method removes, measured with its own compensation.

    Args:
        store: keeps each as soon as it is known; what is there is not fitted again.
        contest: that the method has chosen in.
        name: of the method.
        chosen: the sequences that it chose on.
        fit, judge: sequences of its fits, and those that judge.
        whole: the whole model's losses on `judge` (sequences,), nats a token.
        removals: what it removes.
        between: called after each, and may raise to end it.
    """
    found = []
    for removed in removals:
        fitting = partial(_fitted, contest, name, removed)
        how = f"{name} as chosen on {chosen.tokens}"
        own = yield from judged(store, contest.loaded, judge, removed, how, fit.protocol, 0, fitting)
        if own is not None:
            found.append(plan_of(contest.loaded, removed, np.array(own.losses), whole))
        between()
    return tuple(found)


def _fitted(
    contest: Contest, name: str, removed: tuple[int, ...]
) -> Generator[Event, None, tuple[Repair, tuple[Mend, ...]]]:
    yield Stage(f"{name} fits after removing {len(removed)}")
    return REPAIRS[name](contest, removed), ()
