"""A task with its items, whoever defines it."""

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class NamedTask:
    """A task of lm-eval, or one of Quorum's own."""

    name: str
    # lm_eval.api.task.ConfigurableTask, or what has as much of it as is used: `instances` (as Request),
    # `process_results(document, [(likelihood, greedy), …])` to values by metric, `aggregation()` to means by metric.
    built: Any
    split: str
    source: str  # of the items
    version: str  # of prompts and metrics
    shots: int  # solved examples before each item


class Request(NamedTuple):
    """One continuation of an item, as lm-eval's `Instance` has it."""

    doc_id: int
    idx: int  # of the continuation
    doc: Any
    args: tuple[str, str]  # context, continuation
