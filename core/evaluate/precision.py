"""What 16 bits cost: the same coalitions measured again in float32."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.ranks import rank_correlation
from core.errors import ModelError
from core.evaluate.limits import CHECKED
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from core.pauses import Pause, nothing
from core.records.results import Precision
from core.records.spec import Losses

# Coalitions that are measured again, which are enough for a ranking; and sequences at most, one after the other until
# the standard error of the mean difference, over coalitions, is no more than this share of it.
MASKS, SEQUENCES = 16, 2
_ERROR = 0.25


def comparable(loaded: LoadedModel) -> bool:
    """Whether a model computes in 16 bits from plain weights, and is small enough to be loaded twice."""
    info = loaded.info
    return info.dtype != "float32" and not info.quantisation and info.parameters <= CHECKED


def compare(
    loaded: LoadedModel, ids: torch.Tensor, masks: Masks, losses: Mapping[int, Losses], between: Pause = nothing
) -> Precision | None:
    """Holds measured losses against float32's, on masks spread over all and the first sequences.

    Args:
        loaded: the model in its 16 bits; it is loaded once more for this.
        ids: token ids (sequences, length).
        masks: (masks, players).
        losses: what was measured, by row of `masks`.
        between: called before each forward, and may raise to end it.

    Returns:
        None where memory or the model's files do not allow it: that must not cost a run its end.
    """
    try:
        exact = load(loaded.checkpoint, "float32", loaded.device).played_by(loaded.info.players)
    except (ModelError, MemoryError, torch.OutOfMemoryError):
        return None
    known = sorted(row for row, found in losses.items() if np.isfinite(found).all())
    rows = [known[index] for index in np.linspace(0, len(known) - 1, min(MASKS, len(known))).astype(int)]
    theirs: list[Losses] = []  # by sequence, of each row
    for sequence in torch.split(ids[:SEQUENCES], 1):
        theirs.append(np.concatenate([_exactly(exact, sequence, masks[row], between) for row in rows]))
        ours = np.stack([losses[row][: len(theirs)] for row in rows], axis=1)
        apart = np.abs(ours - theirs).mean(axis=0)
        error = float(apart.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else None
        if error is not None and error <= _ERROR * apart.mean():
            break
    return Precision(
        dtype=loaded.info.dtype,
        mean_absolute_nll=float(apart.mean()),
        spearman=rank_correlation(ours.mean(axis=0), np.mean(theirs, axis=0)),
        masks=len(rows),
        sequences=len(theirs),
        error=error,
    )


def _exactly(exact: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_], between: Pause) -> Losses:
    between()
    return sequence_losses(exact, ids, mask)
