"""Masks measured as plans: what is left of the model, its perplexity, and how sure that is for other text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from core.choices import Plan
from core.masks import removed
from core.measurements import Floats
from core.meter import Meter
from core.model import LoadedModel


def measured(loaded: LoadedModel, meter: Meter, masks: Sequence[NDArray[np.bool_]]) -> tuple[Plan, ...]:
    """Masks as plans, measured on all sequences of a meter. The interval is 90 % by Student's t."""
    whole = meter.losses(meter.whole[None], meter.stages[-1])[0]
    plans = []
    for mask, losses in zip(masks, meter.losses(np.array(masks), meter.stages[-1]), strict=True):
        gone = removed(mask)
        perplexity, ratio = _interval(losses), _interval(losses - whole)
        plans.append(Plan(len(gone), gone, loaded.parameters_without(gone), *perplexity, *ratio))
    return tuple(plans)


def _interval(losses: Floats) -> tuple[float, float, float]:
    """exp of the mean of losses, or of rises, (sequences,), and of its interval."""
    count, mean = len(losses), float(losses.mean())
    half = float(t.ppf(0.95, count - 1) * losses.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
    with np.errstate(over="ignore"):
        return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half))
