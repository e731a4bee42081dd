"""A removal after a compensation, judged on text that no fit has seen; what is known of it is not fitted again."""

from collections.abc import Callable, Generator

import numpy as np

from core.baselines.compensated.repair import Repair, repaired
from core.coalitions.masks import encode, without
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel
from core.records.behaviour.mended import MendedLosses, mended_by
from core.records.events import Event, Stage
from core.records.mends import Mend
from core.records.spec import TextProtocol
from core.records.storage import Store
from core.text.windows import Windows

Removal = tuple[int, ...]
Fit = Callable[[], Generator[Event, None, tuple[Repair, tuple[Mend, ...]]]]


def judged(
    store: Store,
    loaded: LoadedModel,
    judge: Windows,
    removal: Removal,
    how: str,
    fitted: TextProtocol,
    held: int,
    fit: Fit,
) -> Generator[Event, None, MendedLosses | None]:
    """The losses of a removal after a fit, kept as soon as they are there.

    Args:
        store: knows them, or keeps them.
        loaded: the model; left as found.
        judge: the sequences that judge.
        removal: places of players.
        how: names what is fitted.
        fitted, held: on which sequences, of which so many, the last ones, decide.
        fit: makes the fit; not called where its losses are known.

    Returns:
        None where a loss is no number: the fit has ruined the model.
    """
    mask = without(len(loaded.info.players), removal)
    name = mended_by(how, fitted, held, judge.protocol)
    known = store.traits(loaded.info, [encode(mask)])[encode(mask)].mended
    if name in known:
        return known[name]
    repair, cuts = yield from fit()
    with repaired(loaded, repair):
        losses = sequence_losses(loaded, judge.ids, mask)
    if not np.isfinite(losses).all():
        yield Stage(f"Left out: {how} of {len(removal)} gives losses that are no numbers")
        return None
    found = MendedLosses(how, fitted, held, judge.protocol, tuple(map(float, losses)), cuts)
    store.record_traits(loaded.info, encode(mask), found)
    return found
