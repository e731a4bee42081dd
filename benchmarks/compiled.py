"""The walk with blocks that `torch.compile` has fused, beside the eager one: what it saves, and from when on it pays.

A compiled block sums in another order: its losses are those of another game, and are held against the eager ones here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._inductor.utils import fresh_cache

from benchmarks.evaluation import seconds
from core.coalitions.masks import Masks
from core.coalitions.ranks import rank_correlation
from core.evaluate.evaluator import Evaluator
from core.evaluate.packing import PackedLinears
from core.evaluate.walks import sequences
from core.model.model import LoadedModel

Called = Callable[[LoadedModel, int, sequences.Call, torch.Tensor], torch.Tensor]


def beside_eager(loaded: LoadedModel, ids: torch.Tensor, masks: Masks, rounds: int) -> dict[str, Any]:
    """Seconds of all masks, eager (C) and compiled (C'), in turn; and how far their losses are apart.

    What compiling takes is the first pass beyond a later one; so many coalitions make up for it as it is longer than
    what one of them saves.
    """
    evaluator = Evaluator(loaded, ids, PackedLinears(nn.Module()))  # no compiler looks into packed weights
    times: dict[str, list[float]] = {"C": [], "C'": []}
    losses: dict[str, dict[int, Any]] = {"C": {}, "C'": {}}
    sides: dict[str, Called] = {"C": sequences.called, "C'": compiled()}

    def measure(side: str) -> float:
        with calling(sides[side]):
            return seconds(lambda: losses[side].update(evaluator.losses(masks)))

    with fresh_cache():  # what an earlier process has compiled and kept would say nothing of what compiling takes
        first = measure("C'")
    for side in ("C", "C'") * rounds:
        times[side].append(measure(side))
    eager, fused = (median(times[side]) / len(masks) for side in ("C", "C'"))
    compiling = max(0.0, first - median(times["C'"]))
    one, other = (np.stack([losses[side][row] for row in range(len(masks))]) for side in ("C", "C'"))
    return {
        "seconds": {"C": eager, "C'": fused},
        "compiling": compiling,
        "pays from": compiling / (eager - fused) if fused < eager else None,
        "mean_absolute_nll": float(np.abs(one - other).mean()),
        "spearman": rank_correlation(one.mean(axis=1), other.mean(axis=1)),
    }


def compiled() -> Called:
    """Calls blocks that are compiled: layers that are alike share what is, for each shape of a batch."""

    @torch.compile(dynamic=False)
    def compute(block: nn.Module, hidden: torch.Tensor, args: Any, kwargs: Any) -> Any:
        return block(hidden, *args, **kwargs)

    def called(loaded: LoadedModel, index: int, call: sequences.Call, hidden: torch.Tensor) -> torch.Tensor:
        assert call.first
        return loaded.blocks.hidden_in(compute(loaded.blocks.modules[index], hidden, call.args, call.kwargs))

    return called


@contextmanager
def calling(called: Called) -> Iterator[None]:
    """Lets walks call blocks so."""
    own = sequences.called
    sequences.called = called
    try:
        yield
    finally:
        sequences.called = own
