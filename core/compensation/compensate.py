"""After a removal: for each cut in turn, weights that let the hidden state behind it resemble the whole model's.

`refit` changes the output projections of the block before a cut (`core.compensation.refit`); `logits` then moves them,
those of all cuts together, towards the whole model's predictions (`core.compensation.towards_logits`). `scale` divides
what all later blocks add by one number a cut (`core.compensation.scale`). Each cut has passes of its own over the text,
which end at its depth.

A fit is accepted where the loss falls on sequences that it has not seen; otherwise its cut stays plain.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from core.coalitions.players import computed
from core.compensation.projections import Patches, Projection, changed_by, patched
from core.compensation.refit import refitted
from core.compensation.scale import divisible, scaled
from core.compensation.towards_logits import towards_logits
from core.errors import CorpusError, SelectionError, UnsupportedModel
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel
from core.records.events import Event, Stage
from core.records.mends import LEAST, Compensation, Mend
from core.text.windows import Windows

_HELD = 8  # one sequence of so many decides

Mask = NDArray[np.bool_]


def check_asked(players: str, windows: int | None) -> None:
    """Refuses what no removal could be compensated for, before a model is read.

    Args:
        players: their kind.
        windows: so many are to be fitted on; None: as many as are usual.

    Raises:
        SelectionError, CorpusError.
    """
    if players == "sublayer":
        raise SelectionError(
            "Compensation is fitted for whole layers, and --players sublayer plays halves of them.",
            "Take --players block, or --compensate none.",
        )
    if windows is not None and windows < LEAST:
        raise CorpusError(
            f"{windows} sequences are too few to fit a compensation on, and to judge it.",
            f"Take at least {LEAST}: --fit {LEAST}.",
        )


def check_compensation(loaded: LoadedModel, mask: Mask) -> None:
    """SelectionError where halves of blocks go: a cut is a run of whole ones."""
    kept = loaded.kept(mask)
    if (kept.any(axis=1) & ~kept.all(axis=1)).any():
        raise SelectionError(
            "Compensation is fitted for whole layers, and this removes only half of some.",
            "Remove whole layers, or use --compensate none.",
        )


def check_changeable(loaded: LoadedModel, how: str) -> None:
    """UnsupportedModel where a block has nothing that a compensation could change; it names another that has."""
    with _naming_another(loaded, how):
        _look(loaded, how)


@contextmanager
def _naming_another(loaded: LoadedModel, how: str) -> Iterator[None]:
    try:
        yield
    except UnsupportedModel as cause:
        other = "refit" if how == "scale" else "scale"
        try:
            _look(loaded, other)
        except UnsupportedModel:
            raise cause from None
        raise UnsupportedModel(cause.message, f"Use --compensate {other}, or --compensate none.") from cause


def _look(loaded: LoadedModel, how: str) -> None:
    if how == "scale":
        divisible(loaded, range(1, len(loaded.blocks)))  # the first is behind no cut
    else:
        changed_by(loaded, range(len(loaded.blocks)))


def compensate(
    loaded: LoadedModel, windows: Windows, mask: Mask, how: str
) -> Generator[Event, None, tuple[Compensation, Patches]]:
    """Fits every cut of a removal, and tells of each.

    Args:
        loaded: the model; left as found.
        windows: text of which the last eighth decides, and the rest is fitted on.
        mask: (players,), True where a player is kept.
        how: scale, refit or logits.

    Returns:
        What was done, and the parameters of the model that change by it.

    Raises:
        SelectionError, UnsupportedModel, CorpusError: before the text is read by the model.
    """
    check_compensation(loaded, mask)
    ids, cuts = windows.ids, cuts_of(computed(loaded.kept(mask)))
    if len(ids) < LEAST:
        raise CorpusError(
            f"{len(ids)} sequences are too few to fit a compensation on, and to judge it.",
            f"Take a text of at least {LEAST} windows.",
        )
    behind = [int(block) for block in np.flatnonzero(computed(loaded.kept(mask))) if cuts and block >= cuts[0].stop]
    before = [cut.start - 1 for cut in cuts if cut.start]
    held = held_of(len(ids))
    fitted_on, unseen = ids[: len(ids) - held], ids[len(ids) - held :]
    fit: Callable[[range, Patches], tuple[float, Patches]]
    of: list[Projection] = []
    with _naming_another(loaded, how):
        if how == "scale":
            fit = partial(scaled, loaded, fitted_on, divisible(loaded, behind))
        else:
            of = changed_by(loaded, before)
            fit = partial(refitted, loaded, fitted_on, mask, of)
    patches: Patches = {}
    loss = _loss(loaded, unseen, mask, patches) if cuts else np.nan
    done = []
    for number, cut in enumerate(cuts, 1):
        yield Stage(f"Compensating cut {number} of {len(cuts)}: layers {cut.start} to {cut.stop - 1}")
        strength, changed = fit(cut, patches)
        after = _loss(loaded, unseen, mask, {**patches, **changed}) if changed else loss
        accepted = bool(after < loss)
        done.append(Mend(cut.start, cut.stop - 1, strength, loss, after, accepted))
        if accepted:
            patches, loss = {**patches, **changed}, after
    steps = []
    if how == "logits" and patches:
        yield Stage("Moving them towards the whole model's predictions")
        moving = [projection for projection in of if f"{projection.name}.weight" in patches]
        judged = partial(_loss, loaded, unseen, mask)
        for step, moved in towards_logits(loaded, fitted_on, mask, moving, patches, loss, judged):
            patches = moved
            steps.append(step)
            yield Stage(f"Step {len(steps)}: {step.before:.4f} to {step.after:.4f} nats a token")
    return Compensation(how, windows.protocol, held, tuple(done), tuple(steps)), patches


def held_of(sequences: int) -> int:
    """How many sequences, the last ones, decide whether a fit is accepted."""
    return sequences // _HELD


def cuts_of(stays: Mask) -> list[range]:
    """The runs of dropped blocks, by which of them stay (blocks,)."""
    edges = [-1, *map(int, np.flatnonzero(stays)), len(stays)]
    return [range(before + 1, after) for before, after in pairwise(edges) if after > before + 1]


def _loss(loaded: LoadedModel, ids: torch.Tensor, mask: Mask, patches: Patches) -> float:
    """The mean loss under a mask and changed weights, nats a token; NaN and infinity are no improvement."""
    with patched(loaded.model, patches):
        return float(sequence_losses(loaded, ids, mask).mean(dtype=np.float64))
