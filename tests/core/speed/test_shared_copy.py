"""The smaller model in memory is the one that an export writes: plain transformers writes the same from its folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.coalitions.players import mask_without
from core.errors import DeviceError
from core.export.export import export
from core.model.model import LoadedModel, load
from core.records.spec import TextSpec
from core.speed.generating import generation
from core.speed.shared_copy import shared_copy
from core.text.corpora import read
from core.text.windows import cut
from tests.support.families import DEPTH, save_family
from tests.support.models import recipe_of, save_model

IDS = torch.arange(10)[None] * 7
TOKENS = 12


def plainly(model: PreTrainedModel) -> tuple[torch.Tensor, int]:
    """What plain transformers writes, and the bytes of keys and values that it holds in the end."""
    wanted = model.generate(
        IDS, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, return_dict_in_generate=True
    )
    cache = wanted.past_key_values
    return wanted.sequences, sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


@pytest.mark.parametrize("removed", [("0", "3"), ("0a", "2m", "5a", "5m")])
@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_it_writes_what_the_exported_folder_writes(
    family: str, removed: tuple[str, ...], tmp_path: Path, text_file: Path
) -> None:
    loaded = load(locate(str(save_model(tmp_path / "whole", family))), "float32", "cpu")
    if removed[0].endswith("a"):
        loaded = loaded.played_by([f"{block}{half}" for block in range(8) for half in "am"])
    windows = cut(
        read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, TextSpec(str(text_file), "evaluation", 16, 1)
    )
    places = [loaded.info.players.index(name) for name in removed]
    export(loaded, windows, recipe_of(loaded, places), tmp_path / "small")
    folder = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    ids, cache = plainly(folder)
    found = generation(shared_copy(loaded, mask_without(loaded.info.players, removed)), IDS, TOKENS)
    assert found.ids.tolist() == ids.tolist() and found.cache == cache
    whole = generation(shared_copy(loaded, np.ones(len(loaded.info.players), dtype=np.bool_)), IDS, TOKENS)
    assert whole.ids.tolist() == plainly(loaded.model)[0].tolist() != ids.tolist()


def test_no_weight_is_copied_and_the_whole_model_is_as_it_was(tiny_loaded: LoadedModel) -> None:
    before = tiny_loaded.model(input_ids=IDS).logits
    settings = tiny_loaded.model.generation_config
    smaller = shared_copy(tiny_loaded, without(8, (0, 3)))
    own = {weight.data_ptr() for weight in tiny_loaded.model.parameters()}
    assert {weight.data_ptr() for weight in smaller.parameters()} < own
    generation(smaller, IDS, 4)
    assert len(tiny_loaded.blocks) == tiny_loaded.model.config.num_hidden_layers == 8
    assert tiny_loaded.model.generation_config is settings
    assert torch.equal(tiny_loaded.model(input_ids=IDS).logits, before)


@pytest.mark.parametrize("family", ["Mamba", "RWKV", "xLSTM"])
def test_a_model_without_keys_and_values_has_none(family: str, tmp_path: Path) -> None:
    loaded = load(locate(str(save_family(tmp_path / "whole", family))), "float32", "cpu")
    depth = len(loaded.blocks)
    found = generation(shared_copy(loaded, without(depth, (0,))), IDS, 4)
    assert found.cache is None and found.ids.shape == (1, 14)


def test_a_hybrid_without_attention_writes_without_a_cache(tmp_path: Path) -> None:
    loaded = load(locate(str(save_family(tmp_path / "whole", "Bamba"))), "float32", "cpu")
    found = generation(shared_copy(loaded, without(DEPTH, (0, 1, 4))), IDS, 4)
    assert found.cache is None and found.ids.shape == (1, 14)
    cached = generation(shared_copy(loaded, without(DEPTH, (0, 1))), IDS, 4)
    assert cached.cache


def test_what_lies_on_the_disk_is_not_timed(tiny_loaded: LoadedModel) -> None:
    vars(tiny_loaded)["offloaded"] = True  # what a cached property keeps
    try:
        with pytest.raises(DeviceError, match="lie partly on the disk"):
            shared_copy(tiny_loaded, without(8, (0,)))
    finally:
        del vars(tiny_loaded)["offloaded"]
