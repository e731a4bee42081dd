"""Masks measured as plans: what is left of the model, its perplexity, and how sure that is for other text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import removed
from core.evaluate.intervals import perplexity_interval
from core.evaluate.meter import Meter
from core.model.model import LoadedModel
from core.records.plans import Plan


def measured(loaded: LoadedModel, meter: Meter, masks: Sequence[NDArray[np.bool_]]) -> tuple[Plan, ...]:
    """Masks as plans, measured on all sequences of a meter. The interval is 90 % by Student's t."""
    whole = meter.losses(meter.whole[None], meter.stages[-1])[0]
    plans = []
    for mask, losses in zip(masks, meter.losses(np.array(masks), meter.stages[-1]), strict=True):
        gone = removed(mask)
        perplexity, ratio = perplexity_interval(losses), perplexity_interval(losses - whole)
        plans.append(Plan(len(gone), gone, loaded.parameters_without(gone), *perplexity, *ratio))
    return tuple(plans)
