"""Hybrids that are left without attention: refused before anything is written, or written so that they generate."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.errors import ExportError
from core.export.cache_layers import last_attention
from core.export.delete_blocks import delete_blocks
from core.export.export import export
from core.model.blocks import find_blocks
from core.model.model import load
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.families import DEPTH, FAMILIES, save_family
from tests.support.models import recipe_of

ATTENTION = {
    "Bamba": (1, 4),
    "LFM2": (1, 4, 5),
    "Granite 4": (2, 5),
    "Nemotron-H": (1, 5),
    "RecurrentGemma": (2, 5),
    "Zamba 2": (1, 3, 5),
}
GENERATION = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
IDS = torch.arange(12)[None]


@pytest.mark.parametrize("family", ATTENTION)
def test_transformers_generates_with_a_cache_unless_all_attention_is_gone(family: str) -> None:
    torch.manual_seed(0)
    config = FAMILIES[family]()
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    mask = without(DEPTH, ATTENTION[family])
    assert last_attention(config, mask) == list(ATTENTION[family])
    delete_blocks(model, find_blocks(model).path, mask)
    with pytest.raises(ValueError, match="only be called on Attention layers"):
        model.generate(IDS, use_cache=True, **GENERATION)
    model.generate(IDS, use_cache=False, **GENERATION)


@pytest.mark.parametrize("family", [*ATTENTION, "Mamba", "Mamba 2", "Falcon-H1", "RWKV", "xLSTM", "Llama"])
def test_nothing_is_lost_while_one_stays_or_where_none_was(family: str) -> None:
    config = FAMILIES[family]()
    assert last_attention(config, without(DEPTH, ATTENTION.get(family, (0, 2))[:-1])) == []
    others = [number for number in range(DEPTH) if number not in ATTENTION.get(family, (6,))]
    assert last_attention(config, without(DEPTH, others)) == []


def test_an_export_says_so_before_it_writes_and_can_be_agreed_to(tmp_path: Path, text_file: Path) -> None:
    loaded = load(locate(str(save_family(tmp_path / "whole", "Bamba"))), "float32", "cpu")
    text = TextSpec(str(text_file), "evaluation", 16, 2)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    with pytest.raises(ExportError, match="layers 1, 4 this hybrid model has no attention left") as refused:
        export(loaded, windows, recipe_of(loaded, (0, 1, 4)), tmp_path / "small")
    assert "--protect 4" in refused.value.hint and "--uncached" in refused.value.hint
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["whole"]

    export(loaded, windows, recipe_of(loaded, (0, 1, 4)), tmp_path / "small", uncached=True)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    assert torch.equal(plain.generate(IDS, **GENERATION), plain.generate(IDS, use_cache=False, **GENERATION))

    export(loaded, windows, recipe_of(loaded, (0, 1)), tmp_path / "cached", uncached=True)  # nothing to agree to
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "cached").generation_config.use_cache is not False
    assert "assistant_model" not in (tmp_path / "cached" / "README.md").read_text()  # nothing drafts for a hybrid
