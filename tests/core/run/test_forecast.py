"""What is forecast, against hand calculation, a brute-force trie, and what the evaluator really holds."""

import numpy as np
import pytest
import torch
from torch import nn

from core.checkpoint.size import Shape, shape_of
from core.coalitions.masks import Masks, layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.limits import TOGETHER
from core.evaluate.walks.together import within
from core.model.model import LoadedModel
from core.records.spec import RunSpec
from core.run.forecast import Memory, memory, work
from core.sampling.samplers import begin
from core.sampling.strata import stratified

BUNDLED = shape_of("bundled")


def test_bundled_model_by_hand() -> None:
    """31 hidden states of 10 x 128 tokens; logits of 2 sequences, and of one twice in float32; a float32 model."""
    assert BUNDLED is not None
    found = memory(BUNDLED, sequences=10, length=128, dtype="bfloat16", device="cpu")
    weights = 134_515_008 * 2
    logits = 128 * 49_152 * (2 * 2 + 2 * 4)
    assert found == Memory(weights, weights, 31 * 10 * 128 * 576 * 2, logits, 2 * weights, 500 * 2**20)
    assert found.total == found.program + weights + max(weights + found.states + logits, 2 * weights)
    full = memory(BUNDLED, 10, 128, "float32", "cpu")
    assert (full.weights, full.states, full.exact) == (2 * weights, 2 * found.states, 0)
    other = memory(BUNDLED, 10, 128, "bfloat16", "cuda")  # of a GPU's memory, which the program has no part in
    assert (other.packed, other.program) == (0, 0)
    assert other.total == weights + max(other.states + other.logits, 2 * weights)


def test_limits_are_kept() -> None:
    """1 GiB holds the states of 234 sequences, 23 whole batches of ten; 3.5 G parameters are not packed."""
    assert BUNDLED is not None
    assert memory(BUNDLED, 1000, 128, "bfloat16", "cpu").states == 230 * 31 * 128 * 576 * 2 <= 2**30
    large = Shape(32, 3_500_000_000, 3072, 32_000, tied=False)
    found = memory(large, 10, 128, "bfloat16", "cpu")
    assert (found.packed, found.exact) == (0, 0)


def test_memory_is_what_the_evaluator_holds(tiny_loaded: LoadedModel) -> None:
    ids = torch.randint(0, 256, (6, 20))
    shape = shape_of(tiny_loaded.info.source)
    assert shape is not None
    found = memory(shape, 6, 20, "float32", "cpu")
    evaluator = Evaluator(tiny_loaded, ids)
    list(evaluator.losses(np.ones((1, 8), dtype=np.bool_)))
    assert found.states == sum(state.nbytes for batch in evaluator._batches for state in batch.held())
    assert found.weights == sum(weight.nbytes for weight in tiny_loaded.model.parameters())
    linears = [module.weight for module in tiny_loaded.model.modules() if isinstance(module, nn.Linear)]
    distinct = {weight.data_ptr(): weight.nbytes for weight in linears}
    assert found.packed == pytest.approx(sum(distinct.values()), rel=0.02)  # norms are small


def trie(masks: Masks) -> int:
    """Nodes of the trie of masks at which a layer is kept."""
    return len({mask[: depth + 1].tobytes() for mask in masks for depth in np.flatnonzero(mask)})


@pytest.mark.parametrize("seed", range(20))
def test_layers_computed_against_the_trie(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = rng.random((rng.integers(0, 30), rng.integers(1, 9))) < rng.random()
    assert layer_evaluations(masks) == trie(masks)


def test_work_by_rounds() -> None:
    spec = RunSpec(masks=50)
    _, masks = begin(spec, 8)
    parts = [masks[0:1], masks[1:6], masks[6:21], masks[21:51]]
    missing = np.ones(51, dtype=np.bool_)
    assert work(masks, missing, head=2.5) == sum(map(trie, parts)) + 2.5 * 51
    missing[1:21] = False
    assert work(masks, missing, head=0.0) == trie(parts[0]) + trie(parts[3])
    assert work(masks, ~np.ones(51, dtype=np.bool_), head=1.0) == 0


def test_work_of_the_default_run_is_about_half_of_the_official_way() -> None:
    """docs/measured.md: .514 of all layers of all masks, for 300 masks in three rounds."""
    masks = np.concatenate([np.ones((1, 30), dtype=np.bool_), stratified(30, (28, 25, 22, 19, 16), 300, 0)])
    assert work(masks, np.ones(301, dtype=np.bool_), 0.0) / masks.size == pytest.approx(0.514, abs=0.01)


@pytest.mark.parametrize("sequences, length", [(10, 128), (2, 64), (100, 128)])
def test_states_that_go_together_are_in_the_forecast(sequences: int, length: int) -> None:
    """On a device whose trial takes as many as it may: what they take at most is what is said, and 4 GiB at most."""
    assert BUNDLED is not None
    said = memory(BUNDLED, sequences, length, "bfloat16", "cuda").states
    state = sequences * length * 576 * 2
    together = min(TOGETHER, within(2**32, "cpu", state, 30, 30))
    assert together > 1 and (31 + 2 * together * (30 + 2)) * state <= said <= 2**32
    assert said <= 4 * together * 33 * state + 31 * state
