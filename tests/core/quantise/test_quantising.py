"""Four bits by auto-round: what the files hold, unpacked by hand, and what is said of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config

from app.root import ROOT
from core.checkpoint.checkpoint import locate
from core.errors import UnsupportedModel
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import sequence_losses
from core.model.model import load
from core.quantise.groups import group_size, is_on_grid
from core.quantise.libraries import LIBRARIES, library_of
from core.quantise.quantised import GRID
from core.records.spec import RunSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli

GROUP = 32


def test_weights_are_rounded_to_their_grid(
    cli: Cli, installed: Callable[[str], None], wide: Path, text_file: Path, tmp_path: Path
) -> None:
    installed("auto-round")
    (wide / "README.md").write_text("The whole model, of so many bytes.")
    (wide / "LICENSE").write_text("Do as you like.")
    small = "--corpus", text_file, "--sequences", 4, "--window", 16, "--dtype", "float32"
    out = tmp_path / "four"
    status, answer, errors = cli(
        "quantise", wide, "--library", "auto-round", "--out", out, "--group-size", GROUP, *small
    )
    assert status == 0, errors
    assert "Writing 4 bits with auto-round" in errors and set(answer) == documented()

    whole, packed = load_file(wide / "model.safetensors"), load_file(out / "model.safetensors")
    names = [name.removesuffix(".qweight") for name in packed if name.endswith(".qweight")]
    assert len(names) == 8 * 7 and all(torch.equal(packed[name], whole[name]) for name in packed if name in whole)
    for name in names:
        step = packed[f"{name}.scales"].float().repeat_interleave(GROUP, 0)  # (inputs, outputs)
        bits = torch.stack([packed[f"{name}.qweight"] >> shift & 15 for shift in range(0, 32, 4)], 1).flatten(0, 1)
        error = ((bits - 8) * step - whole[f"{name}.weight"].T).abs() / step.abs()
        assert error.max() < 1.02 and error.quantile(0.97) < 0.51, "to the nearest but at the end of the range"
    assert answer["bytes_before"] == (wide / "model.safetensors").stat().st_size
    assert answer["bytes_after"] == (out / "model.safetensors").stat().st_size < answer["bytes_before"] / 2
    card = (out / "README.md").read_text()
    assert "so many bytes" not in card and f"{answer['after']:.3f}" in card and "apply: LICENSE" in card
    assert not (out / "quorum.json").exists(), "no recipe makes what Quorum has not cut"
    told = json.loads((out / "quantised.json").read_text())
    assert told == {key: value for key, value in answer.items() if key != "path"} and not answer["grid"]

    loaded = load(locate(str(wide)), "float32", "cpu")
    assert (told["model"], told["fingerprint"]) == (wide.name, loaded.info.fingerprint), "and no path"
    text = RunSpec(str(wide), str(text_file), sequences=4, window=16).text("evaluation")
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    everyone = np.ones(len(loaded.blocks), dtype=np.bool_)
    assert answer["before"] == pytest.approx(perplexity(sequence_losses(loaded, windows.ids, everyone)), rel=1e-5)
    for name in names:  # the same model, rounded here
        step = packed[f"{name}.scales"].float().repeat_interleave(GROUP, 0)
        bits = torch.stack([packed[f"{name}.qweight"] >> shift & 15 for shift in range(0, 32, 4)], 1).flatten(0, 1)
        loaded.model.get_submodule(name).weight.data = ((bits - 8) * step).T.contiguous()
    rounded = perplexity(sequence_losses(loaded, windows.ids, everyone))
    assert answer["after"] == pytest.approx(rounded, rel=0.02) and rounded != pytest.approx(answer["before"], rel=1e-4)
    status, answer, _ = cli("quantise", out, "--out", tmp_path / "again", *small)
    assert status == 1 and "quantised already" in answer["error"]["message"]


def documented() -> set[str]:
    """The keys of the command's section of docs/cli.md."""
    section = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").split("\n## quantise\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section.split("| key | holds |\n| --- | --- |\n")[1], re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(("asked", "size"), [(None, 64), (32, 32), (64, 64)])
def test_groups_that_divide_every_row(asked: int | None, size: int, wide: Path) -> None:
    assert group_size(locate(str(wide)).config, asked) == size


@pytest.mark.parametrize("asked", [128, 48, 1])
def test_groups_that_do_not(asked: int, wide: Path) -> None:
    with pytest.raises(UnsupportedModel, match="64, 128 weights") as refused:
        group_size(locate(str(wide)).config, asked)
    assert "--group-size 32 or 64." in refused.value.hint


def test_a_model_that_no_groups_fit(tiny: Path) -> None:
    with pytest.raises(UnsupportedModel, match="32, 48 weights"):
        group_size(locate(str(tiny)).config, None)


def test_a_grid_of_four_bits_is_seen(wide: Path) -> None:
    """The bundled model's is one: groups of 32, whose 576 weights a row groups of 128 do not divide."""
    assert not is_on_grid(wide)
    bundled = locate("bundled")
    assert is_on_grid(bundled.folder) and group_size(bundled.config, None) == 64
    weights = load_file(wide / "model.safetensors")
    name = next(name for name in sorted(weights) if name.endswith("down_proj.weight"))
    groups = torch.randint(0, 16, (weights[name].numel() // 32, 32)) * torch.rand(weights[name].numel() // 32, 1)
    weights[name] = groups.reshape(weights[name].shape)
    save_file(weights, wide / "model.safetensors", {"format": "pt"})
    assert is_on_grid(wide) and "groups of 32" in GRID


def test_groups_of_one_value_are_no_grid(wide: Path) -> None:
    """As of an MLP that was removed from its layer: its output is zero."""
    weights = load_file(wide / "model.safetensors")
    names = sorted(name for name in weights if name.endswith("down_proj.weight"))
    weights[names[0]].zero_()
    save_file(weights, wide / "model.safetensors", {"format": "pt"})
    assert not is_on_grid(wide)
    for name in names:
        weights[name].zero_()
    save_file(weights, wide / "model.safetensors", {"format": "pt"})
    assert not is_on_grid(wide), "nothing says that it is"


@pytest.mark.parametrize("asked", [None, 32])
def test_matrices_that_are_no_linear_layers(asked: int | None) -> None:
    with pytest.raises(UnsupportedModel, match="gpt2 cannot be quantised: its matrices are no linear layers"):
        group_size(GPT2Config(n_layer=2, n_embd=32, n_head=2), asked)


def test_windows_longer_than_the_models_positions(
    library: Callable[[str], None], cli: Cli, wide: Path, text_file: Path, tmp_path: Path
) -> None:
    library("pass")
    positions = json.loads((wide / "config.json").read_text())["max_position_embeddings"]
    small = "--corpus", text_file, "--sequences", 1, "--window", positions + 1
    status, answer, errors = cli("quantise", wide, "--out", tmp_path / "four", *small)
    assert status == 1 and f"has {positions} positions" in answer["error"]["message"], answer
    assert "Rounding" not in errors


@pytest.fixture
def library(home: Path) -> Callable[[str], None]:
    """Installs a package that stands in for auto-round."""

    def install(save: str) -> None:
        tool = home / "tools" / "auto-round"
        (tool / f"auto_round-{LIBRARIES['auto-round'].version}.dist-info").mkdir(parents=True)
        (tool / "auto_round.py").write_text(
            "import shutil, sys\nfrom safetensors.torch import load_file, save_file\n"
            "class AutoRound:\n def __init__(self, source, **options): self.source = source\n"
            f" def quantize_and_save(self, out, format):\n  {save}\n"
        )

    return install


@pytest.mark.parametrize(
    ("save", "kind", "words"),
    [
        ("sys.exit('no such model')", "ToolError", "no such model"),
        ("pass", "ToolError", "no weights"),
        (
            "shutil.copytree(self.source, out, dirs_exist_ok=True); name = out + '/model.safetensors'; "
            "save_file({key: weight * 100 for key, weight in load_file(name).items()}, name, {'format': 'pt'})",
            "ExportError",
            "not its weights",
        ),
    ],
)
def test_what_cannot_be_believed_is_not_kept(
    save: str,
    kind: str,
    words: str,
    library: Callable[[str], None],
    cli: Cli,
    wide: Path,
    text_file: Path,
    tmp_path: Path,
) -> None:
    library(save)
    small = "--corpus", text_file, "--sequences", 2, "--window", 16
    status, answer, errors = cli("quantise", wide, "--out", tmp_path / "four", *small)
    assert status == 1 and answer["error"]["kind"] == kind, errors
    assert words in answer["error"]["message"] and not (tmp_path / "four").exists()
    assert not [part for part in tmp_path.iterdir() if part.name.endswith(".part")]


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_that_is_missing(name: str, cli: Cli, home: Path, wide: Path, tmp_path: Path) -> None:
    status, answer, errors = cli("quantise", wide, "--library", name, "--out", tmp_path / "four")
    assert status == 1 and answer["error"]["kind"] == "ToolError" and "Measuring" not in errors
    assert f"--target {home}/tools/{name} -r" in answer["error"]["hint"]
    assert f"\n{name}=={LIBRARIES[name].version} \\\n" in (ROOT / f"requirements-{name}.txt").read_text()


def test_what_is_taken_by_itself() -> None:
    assert library_of("auto", "cpu").package == "auto-round" and library_of("auto", "cuda:1").package == "gptqmodel"
    assert all(library_of(name, "cpu").package == name for name in LIBRARIES)
