"""What is forecast, against hand calculation, a brute-force trie, and what the evaluator really holds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core.checkpoint import gguf
from core.checkpoint.checkpoint import locate
from core.checkpoint.size import Shape, shape_of
from core.coalitions.masks import Masks, layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.meter import _head
from core.model.model import LoadedModel, load
from core.records.spec import RunSpec
from core.run.forecast import Memory, memory, work
from core.sampling.samplers import begin
from core.sampling.strata import stratified
from tests.support.models import CONFIGS, SMALL, save_model

BUNDLED = shape_of("bundled")
MIB = 2**20


def test_bundled_model_by_hand() -> None:
    """31 hidden states of 10 x 128 tokens; logits of 2 sequences, and of one twice in float32; a float32 model."""
    assert BUNDLED is not None
    found = memory(BUNDLED, sequences=10, length=128, dtype="bfloat16", device="cpu")
    weights = 134_515_008 * 2
    logits = 128 * 49_152 * (2 * 2 + 2 * 4)
    assert found == Memory(weights, weights, 31 * 10 * 128 * 576 * 2, logits, 2 * weights)
    assert found.total == found.program + weights + max(weights + found.states + logits, 2 * weights)
    full = memory(BUNDLED, 10, 128, "float32", "cpu")
    assert (full.weights, full.states, full.exact) == (2 * weights, 2 * found.states, 0)
    assert memory(BUNDLED, 10, 128, "bfloat16", "cuda").packed == 0


def test_limits_are_kept() -> None:
    """1 GiB holds the states of 234 sequences, 23 whole batches of ten; 3.5 G parameters are not packed."""
    assert BUNDLED is not None
    assert memory(BUNDLED, 1000, 128, "bfloat16", "cpu").states == 230 * 31 * 128 * 576 * 2 <= 2**30
    large = Shape(32, 3_500_000_000, 3072, 32_000, tied=False)
    found = memory(large, 10, 128, "bfloat16", "cpu")
    assert (found.packed, found.exact) == (0, 0)


@pytest.mark.parametrize("family", CONFIGS)
def test_shape_is_read_from_the_headers(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = save_model(tmp_path_factory.mktemp(family), family)
    shape = shape_of(str(folder))
    loaded = load(locate(str(folder)), "float32", "cpu")
    assert shape is not None
    assert (shape.layers, shape.parameters) == (loaded.info.layers, loaded.info.parameters)
    assert (shape.hidden, shape.vocabulary) == (SMALL["hidden_size"], SMALL["vocab_size"])
    assert shape.tied == (loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight)
    # The last norm, and learned positions, are in neither count.
    assert shape.head == pytest.approx(_head(loaded), rel=0.15)


def test_the_bundled_shape_is_that_of_its_files() -> None:
    assert shape_of(str(gguf.dequantised(gguf.bundled_file()))) == BUNDLED


def test_unknown_shapes(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("odd")
    assert shape_of(str(folder)) is None and shape_of("nobody/has-made-this-model") is None
    assert shape_of("~no-such-user/x") is None
    (folder / "config.json").write_text('{"hidden_size": 4, "vocab_size": 9, "num_hidden_layers": 2}')
    (folder / "model.safetensors").write_bytes(b"\xff" * 30)
    assert shape_of(str(folder)) is None


@pytest.mark.parametrize(
    "config",
    [
        '{"hidden_size": 4, "vocab_size": 9, "n_layers": 2}',  # DistilBERT's name for the layers
        '{"vocab_size": 9, "num_hidden_layers": 2}',
        "[]",
        '{"text_config": [1]}',
        "[" * 100_000 + "]" * 100_000,
        '{"hidden_size": 4, "vocab_size": 9, "num_hidden_layers": 2}',  # right, but the weights are an embedding only
    ],
)
def test_odd_folders_have_no_shape(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    save_file({"embedding": torch.zeros(9, 4)}, tmp_path / "model.safetensors")
    assert shape_of(str(tmp_path)) is None


def test_memory_is_what_the_evaluator_holds(tiny_loaded: LoadedModel) -> None:
    ids = torch.randint(0, 256, (6, 20))
    shape = shape_of(tiny_loaded.info.source)
    assert shape is not None
    found = memory(shape, 6, 20, "float32", "cpu")
    evaluator = Evaluator(tiny_loaded, ids)
    list(evaluator.losses(np.ones((1, 8), dtype=np.bool_)))
    assert found.states == sum(state.nbytes for batch in evaluator._batches for state in batch._states)
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
