"""Exported folders, opened by a process that knows nothing of Quorum."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.checkpoint.checkpoint import locate
from core.errors import ExportError
from core.export.export import export
from core.export.target import check_target
from core.model.model import LoadedModel, load
from core.model.skipping import skipping
from core.records.spec import TextSpec
from core.records.values import Contribution
from core.selection.removal_paths import least_contributing
from core.text.corpora import read
from core.text.windows import cut
from tests.support.models import CONFIGS, LAYERS, recipe_of, save_model

# What anybody would write, with nothing but transformers: logits, and generation with and without a cache.
STRANGER = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = torch.load(sys.argv[2])
with torch.inference_mode():
    logits = model(input_ids=ids).logits
    options = dict(max_new_tokens=12, do_sample=False, pad_token_id=0)
    cached = model.generate(ids[:1], use_cache=True, **options)
    plain = model.generate(ids[:1], use_cache=False, **options)
assert not any(name.split(".")[0] in ("core", "cache", "app") for name in sys.modules)
torch.save({"logits": logits, "same": torch.equal(cached, plain), "text": tokenizer.decode(ids[0])}, sys.argv[3])
"""


@pytest.mark.parametrize("family", CONFIGS)
def test_a_stranger_gets_the_masked_models_logits(family: str, tmp_path: Path, text_file: Path) -> None:
    loaded = load(locate(str(save_model(tmp_path / family, family))), "float32", "cpu")
    windows = cut(
        read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, TextSpec(str(text_file), "evaluation", 16, 4)
    )
    removed, out = (0, 3, 4), tmp_path / "small"
    export(loaded, windows, recipe_of(loaded, removed), out)

    torch.save(windows.ids, tmp_path / "ids.pt")
    command = [sys.executable, "-c", STRANGER, str(out), str(tmp_path / "ids.pt"), str(tmp_path / "answer.pt")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = torch.load(tmp_path / "answer.pt")
    mask = ~np.isin(np.arange(LAYERS), removed)
    with torch.inference_mode(), skipping(loaded.blocks, mask):
        masked = loaded.model(input_ids=windows.ids).logits
    assert (answer["logits"] - masked).abs().max().item() == 0
    assert answer["same"] and answer["text"] == loaded.checkpoint.tokenizer.decode(windows.ids[0])
    origin = json.loads((out / "quorum.json").read_text())
    assert origin["removed"] == [0, 3, 4] and origin["model"]["fingerprint"] == loaded.info.fingerprint
    assert not list(tmp_path.glob("*.part"))


def test_export_can_be_pruned_again(tiny: Path, text_file: Path, tmp_path: Path) -> None:
    loaded = load(locate(str(tiny)), "float32", "cpu")
    windows = cut(
        read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, TextSpec(str(text_file), "evaluation", 16, 4)
    )

    def exported(model: LoadedModel, removed: tuple[int, ...], name: str) -> tuple[int, list[float]]:
        smaller = export(model, windows, recipe_of(model, removed), tmp_path / name)
        return smaller.parameters, smaller.losses.tolist()

    assert exported(loaded, (1, 4), "once") == exported(loaded, (4, 1), "same")
    again = load(locate(str(tmp_path / "once")), "float32", "cpu")
    twice = exported(again, (2,), "twice")  # layer 3 of the original
    assert twice == exported(loaded, (1, 3, 4), "direct")


def test_nothing_existing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="exists"):
        check_target(tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


def test_least_contributing_layers_go_first() -> None:
    values = [0.3, -0.1, 0.2, 0.0, 0.5]
    contributions = [Contribution(layer, value, value, value, 0.0) for layer, value in enumerate(values)]
    assert least_contributing(contributions, 3) == (1, 2, 3)
