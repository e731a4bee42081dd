"""The running perplexity: its interval holds the value that it ends with as often as it says."""

import math

import numpy as np
import pytest

from core.evaluate.perplexity import running


def sequences(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Losses of the whole model, and of a pruned one that finds the same sequences hard."""
    dense = rng.normal(3, 0.5, 20).astype(np.float32)
    return dense, dense + rng.normal(1, 0.2, 20).astype(np.float32)


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_covers_the_end_as_often_as_it_says(paired: bool) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        dense, losses = sequences(rng)
        partial = running(losses[:6], 20, dense if paired else None)
        held += partial.low <= math.exp(losses.mean(dtype=np.float64)) <= partial.high
    assert 0.88 <= held / 2000 <= 0.92


def test_the_whole_models_losses_narrow_it() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for _ in range(100):
        dense, losses = sequences(rng)
        both = [running(losses[:6], 20, known) for known in (None, dense)]
        widths.append([partial.high - partial.low for partial in both])
    alone, paired = np.median(widths, axis=0)
    assert paired < alone / 2


def test_one_sequence_has_no_interval_and_all_of_them_need_none() -> None:
    dense, losses = sequences(np.random.default_rng(2))
    first = running(losses[:1], 20, dense)
    assert (first.low, first.high) == (0, math.inf) and math.isfinite(first.perplexity)
    last = running(losses, 20, dense)
    assert last.low == last.high == last.perplexity == math.exp(losses.mean(dtype=np.float64))


def test_losses_that_are_no_numbers_have_no_bounds() -> None:
    dense, losses = sequences(np.random.default_rng(3))
    spoilt = losses.copy()
    spoilt[2] = math.inf
    partial = running(spoilt[:6], 20, dense)
    assert (partial.perplexity, partial.low, partial.high) == (math.inf, 0, math.inf)
    dense[10] = math.nan
    assert math.isfinite(running(losses[:6], 20, dense).perplexity), "then the whole model's losses are of no use"
