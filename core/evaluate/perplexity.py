"""The perplexity of many sequences: whole, while they are still being measured, and how sure it is for other text.

Free of torch: pages use it, too.
"""

import numpy as np
from scipy.special import stdtrit

from core.coalitions.measurements import Floats
from core.records.events import Partial
from core.records.spec import Losses


def perplexity(losses: Losses) -> float:
    """exp of the mean loss; infinite where that overflows, NaN where a loss is."""
    with np.errstate(over="ignore"):
        return float(np.exp(losses.mean(dtype=np.float64)))


def perplexity_interval(losses: Floats) -> tuple[float, float, float]:
    """exp of the mean of losses, or of rises of the loss, (sequences,), and of its 90 % interval by Student's t."""
    count, mean = len(losses), float(losses.mean())
    half = float(stdtrit(count - 1, 0.95) * losses.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
    with np.errstate(over="ignore"):
        return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half))


def running(measured: Losses, total: int, dense: Losses | None) -> Partial:
    """Estimates the perplexity on all `total` sequences from the first ones.

    The interval is 90 % by Student's t, for a sample without replacement from a finite number of sequences. Where the
    whole model's losses are known, only the differences to them are estimated: sequences that are hard for one are hard
    for the other, so this is the much narrower interval.

    Args:
        measured: losses of the first sequences, (m,), in nats a token.
        total: how many there will be.
        dense: the whole model's losses of all sequences (total,), if they are known.
    """
    count = len(measured)
    if dense is not None and not np.isfinite(dense).all():
        dense = None
    if count == total:
        exact = perplexity(measured)
        return Partial(count, total, exact, exact, exact)
    if not np.isfinite(measured).all():
        return Partial(count, total, perplexity(measured), 0.0, np.inf)
    values = measured if dense is None else measured - dense[:count]
    base = 0.0 if dense is None else float(dense.mean(dtype=np.float64))
    mean = base + float(values.mean(dtype=np.float64))
    if count < 2:
        half = np.inf
    else:
        error = values.std(ddof=1, dtype=np.float64) / np.sqrt(count) * np.sqrt(1 - count / total)
        half = float(stdtrit(count - 1, 0.95) * error)
    with np.errstate(over="ignore"):
        low, middle, high = (float(np.exp(value)) for value in (mean - half, mean, mean + half))
    return Partial(count, total, middle, low, high)
