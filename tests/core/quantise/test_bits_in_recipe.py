"""A recipe with four bits: the same folder again, with a card of all steps; and what is refused before any work."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.export.recipes.recipe_file import read_recipe
from core.quantise.libraries import LIBRARIES
from tests.support.commands import Cli

Made = Callable[..., Path]


@pytest.fixture
def cut(cli: Cli, wide: Path, text_file: Path, tmp_path: Path) -> Path:
    """An export without layer 3, of a run on a text of this machine."""
    small = "--sequences", 4, "--window", 16, "--masks", 12, "--dtype", "float32", "--no-search"
    status, run, errors = cli("run", "--model", wide, "--corpus", text_file, *small)
    assert status == 0, errors
    out = tmp_path / "cut"
    compensated = "--compensate", "scale", "--fit", 8
    status, _, errors = cli("export", run["run"], "--remove", 3, "--out", out, *compensated)
    assert status == 0, errors
    return out


@pytest.mark.parametrize("library", ["auto-round", "bitsandbytes", "gptqmodel"])
def test_the_recipe_makes_the_same_folder_again(
    library: str, cli: Cli, installed: Callable[[str], None], cut: Path, text_file: Path, tmp_path: Path
) -> None:
    installed(library)
    one, two = tmp_path / "a" / "four", tmp_path / "b" / "four"
    asked = "--corpus", text_file, "--sequences", 4, "--window", 16, "--dtype", "float32", "--fit", 6
    status, first, errors = cli("quantise", cut, "--library", library, "--out", one, *asked)
    assert status == 0, errors
    bits = read_recipe(one / "quorum.json").bits
    assert bits is not None and (bits.library, bits.group, bits.fit) == (
        library,
        first["group"],
        6 if LIBRARIES[library].fits else 0,
    )
    told = (one / "quorum.json").read_text() + (one / "README.md").read_text()
    assert str(tmp_path) not in told and text_file.name in told

    status, again, errors = cli("export", "--recipe", one / "quorum.json", "--out", two)
    assert status == 0, errors
    assert again["path"] == str(two) and again["bits"]["after"] == first["after"] and again["compensation"]
    names = {file.name for file in one.iterdir()}
    assert names == {file.name for file in two.iterdir()}
    for name in names - {"README.md", "quantised.json", "quorum.json"}:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert read_recipe(two / "quorum.json") == read_recipe(one / "quorum.json")
    between = two.with_name("four-before-bits")
    assert set(two.parent.iterdir()) == {two, between}, "what lies between stays"
    assert (between / "model.safetensors").read_bytes() == (cut / "model.safetensors").read_bytes()
    assert read_recipe(between / "quorum.json") == read_recipe(cut / "quorum.json")


def test_the_card_tells_all_steps(
    cli: Cli, installed: Callable[[str], None], cut: Path, text_file: Path, tmp_path: Path
) -> None:
    installed("auto-round")
    out = tmp_path / "four"
    status, done, errors = cli("quantise", cut, "--library", "auto-round", "--out", out, "--corpus", text_file)
    assert status == 0, errors
    _, front, text = (out / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front) == yaml.safe_load((cut / "README.md").read_text().split("---\n", 2)[1])
    assert text.startswith("\n# cut in four bits\n") and text.count("\n# ") == 1
    assert f"| perplexity | {done['before']:.3f} | {done['after']:.3f} |" in text
    assert "\n## wide without 1 of 8 layers\n" in text and text.endswith((cut / "README.md").read_text()[-200:])


def changed(recipe: Path, **bits: Any) -> None:
    entries = json.loads(recipe.read_text())
    entries["bits"] |= bits
    recipe.write_text(json.dumps(entries))


def test_what_cannot_be_done_again_is_refused_before_any_work(
    cli: Cli, installed: Callable[[str], None], home: Path, cut: Path, text_file: Path, tmp_path: Path
) -> None:
    installed("auto-round")
    status, _, errors = cli(
        "quantise", cut, "--library", "auto-round", "--out", tmp_path / "four", "--corpus", text_file
    )
    assert status == 0, errors
    recipe, out = tmp_path / "four" / "quorum.json", tmp_path / "again"
    original = recipe.read_text()

    def refused(*more: object) -> str:
        status, answer, errors = cli("export", "--recipe", recipe, "--out", more[0] if more else out)
        assert status == 1 and not out.exists() and "Loading" not in errors
        return f"{answer['error']['message']} {answer['error']['hint']}"

    assert "exists already" in refused(tmp_path / "four")
    (home / "tools" / "auto-round").unlink()
    assert "pip install" in refused()
    changed(recipe, version="0.1")
    assert "0.1's" in refused() and "take `bits` out" in refused()
    for wrong in (
        {"library": "mine"},
        {"group": 0},
        {"fit": -1},
        {"group": True},
        {"asked": None},
        {"asked": {"window": "x"}},
    ):
        recipe.write_text(original)
        changed(recipe, **wrong)
        assert "is no recipe" in refused() or "bits" in refused(), wrong
