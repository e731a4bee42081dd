"""The shape of a model, read from its files' headers, against the loaded model."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.checkpoint import gguf
from core.checkpoint.checkpoint import locate
from core.checkpoint.gguf_parts import parts_of
from core.checkpoint.size import shape_of
from core.evaluate.meter import head_of
from core.model.model import load
from tests.support.models import CONFIGS, SMALL, save_model

BUNDLED = shape_of("bundled")


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
    assert shape.head == pytest.approx(head_of(loaded), rel=0.15)


def test_the_bundled_shape_is_that_of_its_files() -> None:
    assert shape_of(str(gguf.dequantised(parts_of(gguf.bundled_file())))) == BUNDLED


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
