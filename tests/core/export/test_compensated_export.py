"""Exports with compensation: what plain transformers loads is the masked and compensated model, to the last bit."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MixtralConfig

from core.checkpoint.checkpoint import locate
from core.compensation.projections import Patches, patched, projections
from core.errors import ExportError, NotRecipe
from core.export.copy_weights import as_stored
from core.export.export import export
from core.export.recipes.recipe_file import read_recipe
from core.model.masked import playing
from core.model.model import LoadedModel, load
from core.records.mends import FITTING, Compensate, Compensation, Mend
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import Windows, cut
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.models import LAYERS, SMALL, recipe_of, save_model

REMOVED = (0, 3, 4)
MASK = ~np.isin(np.arange(LAYERS), REMOVED)
ADDED_TO = ["llama", "qwen2", "gpt2"]  # what their MLPs answer is added as it is; Gemma 3 puts a norm between


def windows_of(loaded: LoadedModel, text: Path, split: str = "evaluation") -> Windows:
    return cut(read(str(text), split), loaded.checkpoint.tokenizer, TextSpec(str(text), split, 16, 4))


def changed(loaded: LoadedModel, windows: Windows) -> tuple[Compensation, Patches]:
    """Weights far from their own, at the block before a cut, and at one after it."""
    generator, patches = torch.Generator().manual_seed(0), Patches()
    for projection in projections(loaded, [2, 6]):
        weight = projection.module.weight
        inputs = weight.shape[1 if isinstance(projection.module, torch.nn.Linear) else 0]
        outputs = weight.numel() // inputs
        change = 0.1 * torch.randn(inputs + projection.has_bias, outputs, generator=generator, dtype=torch.float64)
        patches |= projection.added(change)
    return Compensation("refit", windows.protocol, 1, (Mend(3, 4, 0.1, 5.0, 4.0, True),)), patches


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ADDED_TO)
def test_plain_transformers_has_the_compensated_models_logits(
    family: str, dtype: torch.dtype, tmp_path: Path, text_file: Path
) -> None:
    parent, out = save_model(tmp_path / "parent", family), tmp_path / "small"
    AutoModelForCausalLM.from_pretrained(parent, dtype=dtype).save_pretrained(parent)
    loaded = load(locate(str(parent)), "float32", "cpu")
    windows = windows_of(loaded, text_file)
    done, patches = changed(loaded, windows)
    smaller = export(loaded, windows, recipe_of(loaded, REMOVED), out, fit=(done, patches))

    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    rounded, stored = as_stored(parent, loaded.blocks.path, LAYERS, loaded.model, patches)
    assert all(value.dtype == torch.float32 for value in rounded.values()) and stored.keys() == patches.keys()
    assert all(torch.equal(value, patches[name]) == (dtype is torch.float32) for name, value in rounded.items())
    with torch.inference_mode():
        logits = model(input_ids=windows.ids).logits
        with playing(loaded, MASK), patched(loaded.model, rounded):
            assert torch.equal(loaded.model(input_ids=windows.ids).logits, logits)
        with playing(loaded, MASK):
            assert not torch.allclose(loaded.model(input_ids=windows.ids).logits, logits)
    told = json.loads((out / "quorum.json").read_text())
    assert told["perplexity"] == pytest.approx(np.exp(smaller.losses.mean(dtype=np.float64)))
    assert told["plain_perplexity"] == pytest.approx(np.exp(smaller.plain.mean(dtype=np.float64)))

    before, after = load_file(parent / "model.safetensors"), load_file(out / "model.safetensors")
    assert {weight.dtype for weight in after.values()} == {dtype}
    old = np.flatnonzero(MASK)
    own = {name: ".".join(str(old[int(p)]) if p.isdigit() else p for p in name.split(".")) for name in after}
    other = {own[name] for name, weight in after.items() if not torch.equal(weight, before[own[name]])}
    inside = re.compile(r".*?\d+\.")  # up to the block's number
    assert {inside.sub("", name) for name in patches} == {inside.sub("", name) for name in other}
    assert len(other) == len(patches)
    ids, options = windows.ids[:1], {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(model.generate(ids, use_cache=True, **options), model.generate(ids, use_cache=False, **options))


def test_weights_that_the_files_hold_otherwise_are_refused(tiny_loaded: LoadedModel) -> None:
    folder, path = tiny_loaded.checkpoint.folder, tiny_loaded.blocks.path
    for name, value in (("model.layers.2.mlp.fused.weight", torch.zeros(3)), ("model.norm.weight", torch.zeros(3))):
        with pytest.raises(ExportError, match=name):
            as_stored(folder, path, LAYERS, tiny_loaded.model, {name: value})


def test_experts_that_the_files_hold_each_by_itself(tmp_path: Path) -> None:
    """As transformers' own save_pretrained writes them; in one dtype and none missing, or refused."""
    AutoModelForCausalLM.from_config(MixtralConfig(**SMALL, num_local_experts=3)).save_pretrained(tmp_path)
    model, name = AutoModelForCausalLM.from_pretrained(tmp_path), "model.layers.2.mlp.experts.down_proj"
    value = model.get_parameter(name).detach() / 3
    rounded, stored = as_stored(tmp_path, "model.layers", LAYERS, model, {name: value})
    assert torch.equal(rounded[name], value)
    files = load_file(tmp_path / "model.safetensors")
    ends = [f"model.layers.2.block_sparse_moe.experts.{expert}.w2.weight" for expert in range(3)]
    assert list(stored) == ends and all(torch.allclose(files[end] / 3, stored[end]) for end in ends)
    for wrong in ({ends[1]: files[ends[1]].half()}, {ends[1]: files[ends[1]][:-1]}, {}):
        save_file(
            {**{one: file for one, file in files.items() if one != ends[1]}, **wrong}, tmp_path / "model.safetensors"
        )
        with pytest.raises(ExportError, match=re.escape(f"do not hold {name} as the model does")):
            as_stored(tmp_path, "model.layers", LAYERS, model, {name: value})


@pytest.mark.parametrize("how", ["scale", "refit", "logits"])
def test_an_export_and_its_recipe(how: str, cli: Cli, finished: Finished, spec: object, tmp_path: Path) -> None:
    """The command writes what it tells, and its own quorum.json makes the same bytes again."""
    [run] = finished(spec)
    ask = "--remove", "2,5", "--compensate", how, "--fit", 16
    status, answer, errors = cli("export", run, *ask, "--out", tmp_path / "one")
    assert status == 0 and "Compensating cut 2 of 2" in errors, errors
    done = answer["compensation"]
    assert (
        done["how"] == how and done["fitted"]["split"] == "calibration" and answer["protocol"]["split"] == "evaluation"
    )
    plain = cli("export", run, "--remove", "2,5", "--out", tmp_path / "plain")[1]
    assert answer["uncompensated"] == plain["perplexity"] == plain["uncompensated"] and plain["compensation"] is None
    assert (answer["perplexity"] != plain["perplexity"]) == any(cut["accepted"] for cut in done["cuts"])
    recipe = read_recipe(tmp_path / "one" / "quorum.json")
    assert recipe.compensate == Compensate(how, 16)
    status, again, errors = cli("export", "--recipe", tmp_path / "one" / "quorum.json", "--out", tmp_path / "two")
    assert status == 0 and again["perplexity"] == answer["perplexity"], errors
    for file in ("model.safetensors", "quorum.json", "README.md", "config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    status, again, errors = cli("export", run, *ask, "--out", tmp_path / "one")  # as after a stop: measured again
    assert status == 0 and again["perplexity"] == answer["perplexity"], errors
    assert "exists" in cli("export", run, "--remove", "2,5", "--out", tmp_path / "one")[1]["error"]["message"]


def test_a_recipe_of_an_earlier_release_says_that_its_fit_cannot_be_had(
    cli: Cli, finished: Finished, spec: object, tmp_path: Path
) -> None:
    [run] = finished(spec)
    one, recipe = tmp_path / "one", tmp_path / "recipe.json"
    cli("export", run, "--remove", "2,5", "--compensate", "scale", "--fit", 16, "--out", one)
    entries = json.loads((one / "quorum.json").read_text())
    assert entries["compensate"].pop("fitting") == FITTING
    recipe.write_text(json.dumps(entries))
    (one / "quorum.json").write_text(json.dumps(entries))
    status, answer, errors = cli("export", "--recipe", recipe, "--out", tmp_path / "two")
    assert status == 1 and "fitted in another way" in answer["error"]["message"] and "Compensating" not in errors
    assert "--compensate scale" in answer["error"]["hint"] and not (tmp_path / "two").exists()
    status, answer, _ = cli("export", run, "--remove", "2,5", "--compensate", "scale", "--fit", 16, "--out", one)
    assert status == 1 and "exists already" in answer["error"]["message"], "what lies there is another model"
    again = "export", "--recipe", recipe, "--compensate", "scale", "--fit", 16, "--out", tmp_path / "two"
    assert cli(*again)[0] == 0 and read_recipe(tmp_path / "two" / "quorum.json").compensate == Compensate("scale", 16)


def test_refused_before_any_fit(cli: Cli, finished: Finished, spec: object, tmp_path: Path) -> None:
    [run] = finished(spec)
    for options, words in ((("--fit", 3), "3 sequences are too few"), (("--fit", 99_999), "99,999 x 16")):
        ask = "export", run, "--remove", "2", "--compensate", "refit", "--out", tmp_path / "out"
        status, answer, errors = cli(*ask, *options)
        assert status == 1 and words in answer["error"]["message"] and "Compensating" not in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "asked",
    [
        "refit",
        {"how": "magic"},
        {"how": "none"},
        {"how": "refit", "windows": "many"},
        {"how": "refit", "fitting": "x"},
        [],
    ],
)
def test_a_recipe_that_asks_for_something_else(
    asked: object, cli: Cli, finished: Finished, spec: object, tmp_path: Path
) -> None:
    [run] = finished(spec)
    entries = json.loads(cli("recipe", run, "--remove", "2")[1]["text"])
    (tmp_path / "r.json").write_text(json.dumps({**entries, "compensate": asked}))
    with pytest.raises(NotRecipe, match="compensate"):
        read_recipe(tmp_path / "r.json")
