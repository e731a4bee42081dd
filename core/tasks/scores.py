"""What answers are worth: lm-eval's own metrics of a task, from likelihoods that are known."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate

from core.records.behaviour.task_scores import Answer, Metric, TaskScore
from core.tasks.harness import NamedTask, quietly
from core.tasks.items import Item, Pair


class Answered(LM):  # type: ignore[misc]
    """A language model, for lm-eval, whose every answer was measured before."""

    def __init__(self, answers: Mapping[Pair, tuple[float, bool]]) -> None:
        super().__init__()
        self._answers = answers

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """As lm-eval asks it."""
        return [self._answers[tuple(request.args)] for request in requests]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        """No task that is measured asks for it."""
        raise NotImplementedError

    def generate_until(self, requests: list[Any]) -> list[str]:
        """No task that is measured asks for it."""
        raise NotImplementedError


def score(task: NamedTask, items: list[Item], answers: Mapping[str, Answer]) -> TaskScore:
    """The metrics of a task.

    Args:
        task: with its requests written.
        items: all that it asks.
        answers: by an item's digest.
    """
    known: dict[Pair, tuple[float, bool]] = {}
    for item in items:
        found = answers[item.digest]
        known |= dict(zip(item.pairs, zip(found.likelihoods, found.greedy, strict=True), strict=True))
    with quietly():
        told = evaluate(Answered(known), {task.name: task.built}, limit=len(items), bootstrap_iters=0)
    values, samples = told["results"][task.name], told["samples"][task.name]
    metrics = [
        Metric(name, float(values[f"{name},none"]), _error(name, float(values[f"{name},none"]), samples))
        for name in task.built.aggregation()
        if f"{name},none" in values
    ]
    return TaskScore(task.name, task.version, task.shots, task.split, len(items), task.source, tuple(metrics))


def _error(name: str, value: float, samples: list[dict[str, Any]]) -> float | None:
    """The standard error of a mean, or of a perplexity by the delta method; of nothing else."""
    per_item = [sample[name] for sample in samples]
    if len(per_item) < 2 or not all(isinstance(one, bool | int | float) for one in per_item):
        return None
    spread = float(np.std(per_item, ddof=1)) / math.sqrt(len(per_item))
    mean = float(np.mean(per_item))
    if math.isclose(mean, value, rel_tol=1e-9, abs_tol=1e-12):
        return spread
    return value * spread if math.isclose(math.exp(-mean), value, rel_tol=1e-9) else None
