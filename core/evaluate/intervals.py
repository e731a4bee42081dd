"""How sure a perplexity is for other text of the kind that it was measured on."""

import numpy as np
from scipy.stats import t

from core.coalitions.measurements import Floats


def perplexity_interval(losses: Floats) -> tuple[float, float, float]:
    """exp of the mean of losses, or of rises of the loss, (sequences,), and of its 90 % interval by Student's t."""
    count, mean = len(losses), float(losses.mean())
    half = float(t.ppf(0.95, count - 1) * losses.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
    with np.errstate(over="ignore"):
        return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half))
