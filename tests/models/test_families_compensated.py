"""A refit of every family: exported and opened by plain transformers, or refused by name before anything is written."""

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.compensation.projections import Patches, changed_by, patched
from core.errors import UnsupportedModel
from core.export.export import export
from core.model.model import LoadedModel, load
from core.model.skipping import skipping
from core.records.mends import Compensation, Mend
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.families import DEPTH, FAMILIES, REFUSED, WITHOUT_EXPORT, save_family
from tests.support.models import recipe_of

# A norm or a factor follows everything that a block adds, or a block adds in another way.
NOT_ADDED = ("Gemma 2", "Gemma 3", "OLMo 2", "OLMo 3", "Granite", "Nemotron-H", "Zamba 2", "MiniMax")
CHANGED = [family for family in FAMILIES if family not in {*REFUSED, *WITHOUT_EXPORT, *NOT_ADDED}]
REMOVED = {**dict.fromkeys(CHANGED, (3, 6)), "Jamba": (0, 5, 6), "ModernBERT Decoder": (1, 3, 6)}

# Of a mixture of experts, the one that every token goes through.
EXPERTS = {"Llama 4": ("shared_expert.down_proj.weight",), "DeepSeek-V3": ("shared_experts.down_proj.weight",)}


def opened(folder: Path, family: str) -> LoadedModel:
    return load(locate(str(save_family(folder, family))), "float32", "cpu")


def moved(loaded: LoadedModel, block: int) -> Patches:
    """Every matrix that a refit may change, far from what it is."""
    generator, patches = torch.Generator().manual_seed(0), Patches()
    for projection in changed_by(loaded, [block], "refit"):
        outputs = loaded.blocks.width
        rows = projection.inputs + projection.has_bias
        patches |= projection.added(0.1 * torch.randn(rows, outputs, generator=generator, dtype=torch.float64))
    return patches


@pytest.mark.parametrize("family", CHANGED)
def test_plain_transformers_has_the_logits_of_the_model_in_memory(family: str, tmp_path: Path, text_file: Path) -> None:
    loaded, removed = opened(tmp_path / "whole", family), REMOVED[family]
    text = TextSpec(str(text_file), "evaluation", 16, 4)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    [*_, block] = [block for block in range(DEPTH - 1) if block + 1 in removed and block not in removed]
    patches = moved(loaded, block)
    assert patches and all(any(name.endswith(end) for name in patches) for end in EXPERTS.get(family, ()))
    done = Compensation("refit", windows.protocol, 1, (Mend(3, 3, 0.1, 5.0, 4.0, True),))
    export(loaded, windows, recipe_of(loaded, removed), tmp_path / "small", fit=(done, patches))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    with torch.inference_mode(), skipping(loaded.blocks, without(DEPTH, removed)):
        plain = loaded.model(input_ids=windows.ids, use_cache=False).logits
        with patched(loaded.model, patches):
            ours = loaded.model(input_ids=windows.ids, use_cache=False).logits
        theirs = model(input_ids=windows.ids, use_cache=False).logits
    assert (ours - theirs).abs().max().item() == 0 and not torch.allclose(ours, plain)


@pytest.mark.parametrize("family", NOT_ADDED)
def test_refused_by_name(family: str, tmp_path: Path) -> None:
    loaded = opened(tmp_path, family)
    with pytest.raises(UnsupportedModel, match=re.escape(f"{loaded.info.architecture} cannot be compensated")):
        changed_by(loaded, [2], "refit")
