"""What transformers finds wrong with a configuration is told in one line, whatever class it raises it in."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.checkpoint.checkpoint import locate
from core.errors import UnsupportedModel
from core.model.model import load

# Validators of huggingface_hub, checks of transformers, and what their arithmetic stumbles over.
WRONG: dict[str, dict[str, Any]] = {
    "a word for a number": {"hidden_size": "wide"},
    "a check of the whole": {"num_attention_heads": 5},
    "division by zero": {"num_attention_heads": 0},
    "a list as long as another model": {"layer_types": ["full_attention"] * 3},
    "a kind of layer that nobody has": {"layer_types": ["full"] * 8},
    "a function that nobody has": {"hidden_act": "magic"},
    "positions that nobody has": {"rope_parameters": {"rope_type": "magic", "rope_theta": 1e4}},
    "a list for the kind of model": {"model_type": ["llama"]},
    "an object for the kind of model": {"model_type": {"a": 1}},
    "a number for settings": {"rope_parameters": 4},
    "a layer past the last": {"per_layer_config": {"99": {"intermediate_size": 24}}},
    "a layer by name": {"per_layer_config": {"first": {"intermediate_size": 24}}},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_configuration_that_makes_no_sense_is_refused_with_its_reason(name: str, tiny: Path, tmp_path: Path) -> None:
    _change(tiny, tmp_path / "model", **WRONG[name])
    with pytest.raises(UnsupportedModel, match=r"config\.json") as refused:
        load(locate(str(tmp_path / "model")), "float32", "cpu")
    assert "\n" not in refused.value.message and "Class validation" not in refused.value.message


@pytest.mark.parametrize("field", ["feature_layer", "vision_feature_layer", "select_layer"])
def test_which_layer_may_be_counted_from_the_end(field: str, tiny: Path, tmp_path: Path) -> None:
    _change(tiny, tmp_path / "model", **{field: -2})
    assert load(locate(str(tmp_path / "model")), "float32", "cpu").info.layers == 8


@pytest.mark.parametrize("field", ["num_hidden_layers", "n_layer", "decoder_layers", "num_key_value_heads"])
@pytest.mark.parametrize("value", [-2, 10**9])
def test_how_many_layers_may_not(field: str, value: int, tiny: Path, tmp_path: Path) -> None:
    _change(tiny, tmp_path / "model", **{field: value})
    with pytest.raises(UnsupportedModel, match="which no model has"):
        locate(str(tmp_path / "model"))


def _change(model: Path, folder: Path, **changes: Any) -> None:
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
