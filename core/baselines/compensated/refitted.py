"""One compensation for the choices of every method, whoever made them."""

from collections.abc import Generator, Iterable
from functools import partial

import numpy as np

from core.baselines.compensated.judging import judged
from core.baselines.compensated.repair import Repair
from core.coalitions.masks import without
from core.compensation.compensate import check_changeable, compensate, held_of
from core.errors import CorpusError
from core.evaluate.perplexity import perplexity_interval
from core.model.model import LoadedModel
from core.pauses import Pause
from core.records.events import Event, Stage
from core.records.mends import LEAST, CompensatedPlan, Mend
from core.records.plans import Plan
from core.records.storage import Store
from core.text.windows import Windows


def check_model(loaded: LoadedModel, fit: Windows, how: str) -> None:
    """Refuses before anything is measured what could not be compensated after all of it.

    Raises:
        UnsupportedModel, CorpusError.
    """
    if len(fit.ids) < LEAST:
        raise CorpusError(
            f"{len(fit.ids)} sequences are too few to fit a compensation on, and to judge it.",
            f"Take a text of at least {LEAST} windows.",
        )
    check_changeable(loaded, how)


def refitted(
    store: Store,
    loaded: LoadedModel,
    fit: Windows,
    judge: Windows,
    plain: Iterable[Plan],
    how: str,
    between: Pause,
) -> Generator[Event, None, tuple[CompensatedPlan, ...]]:
    """Plans after a compensation, on the sequences on which they were measured without it.

    Args:
        store: keeps each as soon as it is known; what is there is not fitted again.
        loaded: the model; left as found.
        fit: sequences of the fits.
        judge: sequences that judge.
        plain: the plans as they were measured on `judge`.
        how: scale, refit or logits.
        between: called after each, and may raise to end it.
    """
    found = []
    for plan in plain:
        yield Stage(f"{how} after removing {plan.count}")
        fitting = partial(_fitted, loaded, fit, plan.removed, how)
        own = yield from judged(store, loaded, judge, plan.removed, how, fit.protocol, held_of(len(fit.ids)), fitting)
        if own is not None:
            interval = perplexity_interval(np.array(own.losses))
            found.append(CompensatedPlan(plan.removed, plan.perplexity, *interval, own.cuts))
        between()
    return tuple(found)


def _fitted(
    loaded: LoadedModel, fit: Windows, removal: tuple[int, ...], how: str
) -> Generator[Event, None, tuple[Repair, tuple[Mend, ...]]]:
    done, patches = yield from compensate(loaded, fit, without(len(loaded.info.players), removal), how)
    return Repair(patches), done.cuts
