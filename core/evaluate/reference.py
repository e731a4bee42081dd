"""Losses by the model's own forward with players switched off: simple, and what everything faster is held against."""

import numpy as np
import torch
from numpy.typing import NDArray

from core.evaluate.losses import sequence_nll
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.spec import Losses

# Logits alive at once, in elements: 128 MiB in fp32.
_LOGITS = 2**25


def sequence_losses(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> Losses:
    """The loss of every sequence.

    Args:
        loaded: the model; left as found.
        ids: token ids (sequences, length); the first token of each is not predicted.
        mask: (players,), True where a player is kept.

    Returns:
        Mean negative log-likelihood in nats a token, (sequences,); NaN and infinity where the model gives them.
    """
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    size = max(1, _LOGITS // (ids.shape[1] * vocabulary))
    found = []
    for part in torch.split(ids, size):
        here = part.to(loaded.info.device)
        with torch.inference_mode(), playing(loaded, mask):
            found.append(sequence_nll(loaded.model(input_ids=here, use_cache=False).logits, here).cpu().numpy())
    return np.concatenate(found)
