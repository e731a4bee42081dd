"""How fast the pruned model is beside the whole one: forwards of the same tokens, in turn, on this machine."""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from core.coalitions.players import computed
from core.model.model import LoadedModel
from core.model.skipping import skipping

REPEATS = 5


def seconds(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Median seconds of a forward of `ids` (1, length) through the whole model and one with only a mask's players.

    What is timed is the model that an export writes: half of a block that is gone is there still, zeros and all.
    The two alternate, so that a machine whose speed drifts treats them alike; a first pair warms up and does not count.
    """
    here = ids.to(loaded.info.device)
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(1 + REPEATS):
        for taken, one in zip(found, (np.ones_like(mask), mask), strict=True):
            begun = time.perf_counter()
            with torch.inference_mode(), skipping(loaded.blocks, computed(loaded.kept(one))):
                # Reading a number waits for a device that works on its own.
                loaded.model(input_ids=here, use_cache=False).logits[0, -1, 0].item()
            taken.append(time.perf_counter() - begun)
    whole, pruned = (float(np.median(taken[1:])) for taken in found)
    return whole, pruned
