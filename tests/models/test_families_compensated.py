"""A refit and a scale of every family: opened by plain transformers, or refused by name before anything is written."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.compensation.compensate import check_changeable
from core.compensation.projections import Patches, changed_by, patched
from core.compensation.scale import divided, divisible
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
NOT_ADDED = ("Gemma 2", "Gemma 3", "OLMo 2", "OLMo 3", "Granite", "MiniMax")
# A norm follows whose factor is one more than its weight, none precedes, the embedding is read again, or the like.
NOT_DIVIDED = ("Gemma 2", "Gemma 3", "OLMo 2", "OLMo 3", "Zamba 2", "MiniMax")
EXPORTED = [family for family in FAMILIES if family not in {*REFUSED, *WITHOUT_EXPORT}]
CHANGED = [family for family in EXPORTED if family not in NOT_ADDED or family not in NOT_DIVIDED]
REMOVED = {
    **dict.fromkeys(CHANGED, (3, 6)),
    **{"Jamba": (0, 5, 6), "ModernBERT Decoder": (1, 3, 6), "Nemotron-H": (2, 5), "Zamba 2": (2, 4)},
}

# Of a mixture of experts, the one that every token goes through, for a refit; all of them are divided.
EXPERTS = {"Llama 4": ("shared_expert.down_proj.weight",), "DeepSeek-V3": ("shared_experts.down_proj.weight",)}
DIVIDED = {
    **dict.fromkeys(("Mixtral", "Qwen3-MoE", "Jamba", "Nemotron-H", "Granite 4"), ("experts.down_proj",)),
    **{family: ("experts.down_proj", *ends) for family, ends in EXPERTS.items()},
    "GPT-OSS": ("experts.down_proj", "experts.down_proj_bias"),
    "RWKV": ("feed_forward.value.weight", "attention.output.weight"),
}


def opened(folder: Path, family: str) -> LoadedModel:
    return load(locate(str(save_family(folder, family))), "float32", "cpu")


def moved(loaded: LoadedModel, block: int) -> Patches:
    """Every matrix that a refit may change, far from what it is."""
    generator, patches = torch.Generator().manual_seed(0), Patches()
    for projection in changed_by(loaded, [block]):
        outputs = loaded.blocks.width
        rows = projection.inputs + projection.has_bias
        patches |= projection.added(0.1 * torch.randn(rows, outputs, generator=generator, dtype=torch.float64))
    return patches


@pytest.mark.parametrize("family", CHANGED)
def test_plain_transformers_has_the_logits_of_the_model_in_memory(family: str, tmp_path: Path, text_file: Path) -> None:
    """Moved by a refit before a cut, divided by a scale behind it, each as far as the family has it."""
    loaded, removed = opened(tmp_path / "whole", family), REMOVED[family]
    text = TextSpec(str(text_file), "evaluation", 16, 4)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    [*_, block] = [block for block in range(DEPTH - 1) if block + 1 in removed and block not in removed]
    patches = moved(loaded, block) if family not in NOT_ADDED else {}
    assert bool(patches) == (family not in NOT_ADDED)
    assert all(any(name.endswith(end) for name in patches) for end in EXPERTS.get(family, ()))
    behind = [each for each in range(1, DEPTH) if each not in {*removed, block}]
    found = divisible(loaded, behind) if family not in NOT_DIVIDED else {}
    less = divided(loaded, [name for names in found.values() for name in names], 1.5)
    assert bool(less) == (family not in NOT_DIVIDED)
    assert all(any(name.endswith(end) for name in less) for end in DIVIDED.get(family, ()))
    patches |= less
    done = Compensation("refit", windows.protocol, 1, (Mend(3, 3, 0.1, 5.0, 4.0, True),))
    export(loaded, windows, recipe_of(loaded, removed), tmp_path / "small", fit=(done, patches))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    with torch.inference_mode(), skipping(loaded.blocks, without(DEPTH, removed)):
        plain = loaded.model(input_ids=windows.ids, use_cache=False).logits
        with patched(loaded.model, patches):
            ours = loaded.model(input_ids=windows.ids, use_cache=False).logits
        theirs = model(input_ids=windows.ids, use_cache=False).logits
    assert (ours - theirs).abs().max().item() == 0 and not torch.allclose(ours, plain)


@pytest.mark.parametrize("family", [family for family in EXPORTED if family not in NOT_DIVIDED])
def test_what_later_blocks_add_is_divided_as_if_the_hidden_state_were_multiplied(family: str, tmp_path: Path) -> None:
    loaded = opened(tmp_path, family)
    for name, value in loaded.model.named_parameters():
        if name.endswith("bias"):
            value.data.normal_(0, 0.1)
    behind, ids = range(4, DEPTH), torch.arange(3, 19)[None]
    patches: Patches = {}
    for names in divisible(loaded, behind).values():
        patches |= divided(loaded, names, 2)

    def longer(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        if args:
            return (2 * args[0], *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": 2 * kwargs["hidden_states"]}

    with torch.inference_mode():
        plain = loaded.model(input_ids=ids, use_cache=False).logits
        with patched(loaded.model, patches):
            ours = loaded.model(input_ids=ids, use_cache=False).logits
        handle = loaded.blocks.modules[behind.start].register_forward_pre_hook(longer, with_kwargs=True)
        wanted = loaded.model(input_ids=ids, use_cache=False).logits
        handle.remove()
    assert (ours - wanted).norm() < 0.01 * (wanted - plain).norm()


@pytest.mark.parametrize("how", ["refit", "scale"])
@pytest.mark.parametrize("family", sorted({*NOT_ADDED, *NOT_DIVIDED}))
def test_refused_by_name(family: str, how: str, tmp_path: Path) -> None:
    loaded = opened(tmp_path, family)
    if family not in (NOT_ADDED if how == "refit" else NOT_DIVIDED):
        check_changeable(loaded, how)
        return
    by = "" if family == "MiniMax" else f" by {how}"
    with pytest.raises(UnsupportedModel, match=f"{loaded.info.architecture} cannot be compensated{by}: ") as refusal:
        check_changeable(loaded, how)
    other = {"refit": "scale", "scale": "refit"}[how]
    possible = family not in (NOT_DIVIDED if how == "refit" else NOT_ADDED)
    assert (f"--compensate {other}" in refusal.value.hint) == possible
