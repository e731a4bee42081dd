"""Exports of every family, opened by a process that knows nothing of Quorum, and by Quorum as new models."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.errors import UnsupportedModel
from core.export.delete_blocks import delete_blocks
from core.export.export import export
from core.model.model import load
from core.model.skipping import skipping
from core.records.events import Finished
from core.records.spec import RunSpec, TextSpec
from core.run.engine import Engine
from core.text.corpora import read
from core.text.windows import cut
from tests.support.families import DEPTH, FAMILIES, REFUSED, WITHOUT_EXPORT, save_family
from tests.support.models import recipe_of

PASSING = [family for family in FAMILIES if family not in {**REFUSED, **WITHOUT_EXPORT}]
# The first block, the last one and one between; for three families, what their configuration can describe.
OTHERS = {"Jamba": (0, 5, 6), "Zamba 2": (0, 2, 6), "ModernBERT Decoder": (1, 3, 6)}
REMOVED = {**dict.fromkeys(PASSING, (0, 3, 6)), **OTHERS}
GENERATION = {"max_new_tokens": 20, "min_new_tokens": 20, "do_sample": False, "pad_token_id": 0}
# What anybody would write, with nothing but transformers, for every folder that is named.
STRANGER = """
import sys, torch
from transformers import AutoModelForCausalLM
ids, options = torch.load("ids.pt"), torch.load("options.pt")
answers = {}
for folder in sys.argv[1:]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        answers[folder] = model(input_ids=ids, use_cache=False).logits, *(
            model.generate(ids[:1], use_cache=cached, **options) for cached in (True, False)
        )
assert not any(name.split(".")[0] in ("core", "cache", "app") for name in sys.modules)
torch.save(answers, "answers.pt")
"""

Told = tuple[torch.Tensor, ...]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@pytest.fixture(scope="module")
def masked(work: Path, text_file: Path) -> dict[str, Told]:
    """Exports every family; its masked model's logits, and what its model with the blocks deleted generates."""
    found: dict[str, Told] = {}
    for family in PASSING:
        loaded = load(locate(str(save_family(work / "whole" / family, family))), "float32", "cpu")
        text = TextSpec(str(text_file), "evaluation", 16, 4)
        windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
        torch.save(windows.ids, work / "ids.pt")
        export(loaded, windows, recipe_of(loaded, REMOVED[family]), work / family)
        mask, smaller = without(DEPTH, REMOVED[family]), copy.deepcopy(loaded.model)
        delete_blocks(smaller, loaded.blocks.path, mask)
        with torch.inference_mode():
            with skipping(loaded.blocks, mask):
                logits = loaded.model(input_ids=windows.ids, use_cache=False).logits
            found[family] = logits, smaller.generate(windows.ids[:1], use_cache=True, **GENERATION)
    return found


@pytest.fixture(scope="module")
def told(work: Path, masked: dict[str, Told]) -> dict[str, Told]:
    """The same from a process that only knows the folders."""
    torch.save(GENERATION, work / "options.pt")
    command = [sys.executable, "-c", STRANGER, *masked]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: dict[str, Told] = torch.load(work / "answers.pt")
    return answers


@pytest.mark.parametrize("family", PASSING)
def test_a_stranger_gets_the_masked_models_logits_and_generates(
    family: str, masked: dict[str, Told], told: dict[str, Told]
) -> None:
    logits, cached, plain = told[family]
    assert (logits - masked[family][0]).abs().max().item() == 0
    assert torch.equal(cached, plain) and cached.shape == (1, 36)
    assert torch.equal(cached, masked[family][1])


@pytest.mark.parametrize("family", ["Gemma 3", "Qwen3-MoE", "RWKV", "Mamba 2", "Bamba", "xLSTM"])
def test_an_export_is_a_model_like_any_other(
    family: str, work: Path, masked: dict[str, Told], text_file: Path, cache_file: Path
) -> None:
    text = {"corpus": str(text_file), "sequences": 2, "window": 16}
    # transformers' own xLSTM multiplies float32 states by bfloat16 ones where a text is longer than one of its chunks.
    dtype = "float32" if family == "xLSTM" else "auto"
    spec = RunSpec(model=str(work / family), masks=10, strata=(2, 3), dtype=dtype, **text)
    *_, last = Engine(Store(Database(cache_file))).run(spec)
    assert isinstance(last, Finished)
    assert last.result.model.layers == DEPTH - len(REMOVED[family])


def test_a_dtype_that_an_architecture_does_not_compute_in_is_refused(work: Path, masked: dict[str, Told]) -> None:
    """transformers' own xLSTM mixes float32 states with bfloat16 weights."""
    with pytest.raises(UnsupportedModel, match="does not compute in bfloat16") as caught:
        load(locate(str(work / "xLSTM")), "bfloat16", "cpu")
    assert "--dtype float32" in caught.value.hint


@pytest.mark.parametrize(("family", "removed"), [("Jamba", (0, 3)), ("Zamba 2", (1, 3)), ("DiffLlama", (0,))])
def test_a_refused_removal_leaves_nothing(
    family: str, removed: tuple[int, ...], text_file: Path, tmp_path: Path
) -> None:
    loaded = load(locate(str(save_family(tmp_path / "whole", family))), "float32", "cpu")
    text: Any = TextSpec(str(text_file), "evaluation", 16, 4)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    with pytest.raises(UnsupportedModel, match="cannot be saved without these layers"):
        export(loaded, windows, recipe_of(loaded, removed), tmp_path / "small")
    assert np.array_equal(sorted(path.name for path in tmp_path.iterdir()), ["whole"])
