"""What both models say of a text, token by token: which is likeliest, and how far their predictions are apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.evaluate.limits import at_once
from core.evaluate.walks.arrivals import Arrivals
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.behaviour.writes import PERCENTILES, Agreement, Share
from core.records.spec import Losses


@dataclass(frozen=True)
class Predictions:
    """Of the tokens of some sequences but the first of each, (sequences, tokens - 1)."""

    whole: NDArray[np.int64]  # the likeliest one by the whole model
    pruned: NDArray[np.int64]
    kl: Losses  # KL(whole || pruned), nats


def predictions(loaded: LoadedModel, ids: torch.Tensor, masks: Masks) -> Iterator[tuple[int, Predictions]]:
    """What the whole model and each pruned one predict, some sequences at a time; the model is left as found.

    Args:
        loaded: the model.
        ids: token ids (sequences, tokens).
        masks: (masks, players), True where a player is kept.

    Yields:
        The row of a mask, and its predictions of the sequences that are next for it.
    """
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    arrivals = Arrivals()
    for some in torch.split(ids, at_once(loaded.info.device, ids.shape[1], vocabulary)):
        here = some.to(loaded.info.device)
        whole = _logits(loaded, here, np.ones(masks.shape[1], dtype=np.bool_))
        target, likeliest = _log_probabilities(whole), whole.argmax(dim=-1)
        for row, mask in enumerate(masks):
            pruned = _logits(loaded, here, mask)
            kl = F.kl_div(_log_probabilities(pruned), target, reduction="none", log_target=True).sum(dim=-1)
            # Side by side as 32 bits, which hold every whole number below 2^24, and so every token of a vocabulary.
            arrivals.send([[row]], torch.stack([likeliest.float(), pruned.argmax(dim=-1).float(), kl])[None])
            yield from _arrived(arrivals)
    yield from _arrived(arrivals, last=True)


def _arrived(arrivals: Arrivals, *, last: bool = False) -> Iterator[tuple[int, Predictions]]:
    for row, (whole, pruned, kl) in arrivals.arrived(last=last):
        yield row, Predictions(whole.astype(np.int64), pruned.astype(np.int64), kl)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """The predictions of several groups of sequences as those of all of them."""
    return Predictions(
        *(np.concatenate(some) for some in zip(*((part.whole, part.pruned, part.kl) for part in parts), strict=True))
    )


def agreement(found: Predictions) -> Agreement:
    """How often the likeliest tokens are the same, and percentiles of the divergence, over all tokens of a text."""
    same = found.whole == found.pruned
    percentiles = np.percentile(found.kl, PERCENTILES)
    return Agreement(share_of(same.sum(axis=1), np.full(len(same), same.shape[1])), *map(float, percentiles))


def share_of(right: NDArray[np.int64], asked: NDArray[np.int64]) -> Share:
    """The share that is right of all that was asked in each sequence, (sequences,).

    The standard error is that of a ratio over sequences drawn at random: what one holds is not independent.
    """
    count, total = len(asked), int(asked.sum())
    value = float(right.sum() / total) if total else float("nan")
    rest = float(((right - value * asked) ** 2).sum())
    error = float(np.sqrt(count / (count - 1) * rest) / total) if total and count > 1 else float("nan")
    return Share(value, error, total)


def _logits(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> torch.Tensor:
    """Of each token but the first, after those before it, (sequences, tokens - 1, vocabulary)."""
    with torch.inference_mode(), playing(loaded, mask):
        logits: torch.Tensor = loaded.model(input_ids=ids, use_cache=False).logits[:, :-1]
    return logits


def _log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    return F.log_softmax(logits, dim=-1, dtype=torch.float32)
