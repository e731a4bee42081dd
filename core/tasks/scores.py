"""What answers are worth: lm-eval's own metrics of a task, from likelihoods that are known."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.records.behaviour.task_scores import Answer, Metric, TaskScore
from core.tasks.items import Item
from core.tasks.named_task import NamedTask


def score(task: NamedTask, items: list[Item], answers: Mapping[str, Answer]) -> TaskScore:
    """The metrics of a task.

    Args:
        task: with its requests written.
        items: all that it asks.
        answers: by an item's digest.
    """
    values: dict[str, list[Any]] = {}
    for item in items:
        found = answers[item.digest]
        responses = list(zip(found.likelihoods, found.greedy, strict=True))
        for name, value in task.built.process_results(item.document, responses).items():
            values.setdefault(name, []).append(value)
    together = task.built.aggregation()
    metrics = [_metric(name, some, together[name]) for name, some in values.items() if name in together]
    digest = hashlib.sha256("".join(item.digest for item in items).encode()).hexdigest()[:16]
    return TaskScore(task.name, task.version, task.shots, task.split, len(items), task.source, tuple(metrics), digest)


def _metric(name: str, values: list[Any], together: Any) -> Metric:
    try:
        value = float(together(values))
    except OverflowError:  # of a perplexity
        value = math.inf
    return Metric(name, value, _error(value, values))


def _error(value: float, per_item: list[Any]) -> float | None:
    """The standard error of a mean, or of a perplexity by the delta method; of nothing else."""
    if len(per_item) < 2 or not all(isinstance(one, bool | int | float) for one in per_item):
        return None
    spread = float(np.std(per_item, ddof=1)) / math.sqrt(len(per_item))
    mean = float(np.mean(per_item))
    if math.isclose(mean, value, rel_tol=1e-9, abs_tol=1e-12):
        return spread
    if math.isfinite(value) and value > 0 and math.isclose(-mean, math.log(value), rel_tol=1e-9, abs_tol=1e-12):
        return value * spread
    return None
