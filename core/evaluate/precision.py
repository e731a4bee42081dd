"""What 16 bits cost: the same coalitions measured again in float32."""

from collections.abc import Mapping

import numpy as np
import torch

from core.coalitions.masks import Masks
from core.coalitions.ranks import rank_correlation
from core.errors import ModelError
from core.evaluate.limits import CHECKED
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from core.pauses import Pause, nothing
from core.records.results import Precision
from core.records.spec import Losses

# Coalitions and sequences that are measured again: enough for a mean and a ranking, in a few seconds.
MASKS, SEQUENCES = 16, 2


def comparable(loaded: LoadedModel) -> bool:
    """Whether a model computes in 16 bits from plain weights, and is small enough to be loaded twice."""
    info = loaded.info
    return info.dtype != "float32" and not info.quantisation and info.parameters <= CHECKED


def compare(
    loaded: LoadedModel, ids: torch.Tensor, masks: Masks, losses: Mapping[int, Losses], between: Pause = nothing
) -> Precision | None:
    """Holds measured losses against float32's, on some masks and sequences spread over all.

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
    some = ids[:SEQUENCES]
    ours = np.stack([losses[row][: len(some)] for row in rows])
    again = []
    for row in rows:
        between()
        again.append(sequence_losses(exact, some, masks[row]))
    theirs = np.stack(again)
    return Precision(
        dtype=loaded.info.dtype,
        mean_absolute_nll=float(np.abs(ours - theirs).mean()),
        spearman=rank_correlation(ours.mean(axis=1), theirs.mean(axis=1)),
        masks=len(rows),
        sequences=len(some),
    )
