"""Recipes: ours, done again where nothing is known of its run, and those of other tools."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.example import shipped
from core.coalitions.players import indexes, players_of
from core.errors import NotRecipe, SelectionError
from core.export.formats import FORMATS, evopress, llama_quantize, mergekit, runs_kept
from core.export.recipes.recipe import Recipe, recipe
from core.export.recipes.recipe_file import read_recipe
from core.paths import own_name
from core.records.spec import ModelInfo, RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.models import save_model

MODEL = ModelInfo("some/model: 1", "LlamaForCausalLM", 8, 1000, "0123456789abcdef", "bfloat16", "cpu")
CASES = st.integers(2, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=n - 1)))


@given(CASES)
def test_runs_of_kept_layers(case: tuple[int, set[int]]) -> None:
    layers, removed = case
    kept = [layer for begin, end in runs_kept(layers, sorted(removed)) for layer in range(begin, end)]
    assert kept == [layer for layer in range(layers) if layer not in removed]


def test_what_diverged_is_null_in_a_recipe(tmp_path: Path) -> None:
    """JSON has no infinity, and other readers than Python's refuse it."""
    made = Recipe(RunSpec("some/model"), MODEL.fingerprint, MODEL.layers, ("3",), "run")
    model = replace(MODEL, players=players_of(MODEL.layers, "block"))
    text = made.text(model, healing={"readings": [{"perplexity": float("inf")}, {"perplexity": 2.5}]}, low=float("nan"))

    def refused(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(text, parse_constant=refused)
    assert found["healing"]["readings"] == [{"perplexity": None}, {"perplexity": 2.5}] and found["low"] is None
    (tmp_path / "r.json").write_text(text)
    assert read_recipe(tmp_path / "r.json").removed == ("3",)


def test_mergekit_configuration() -> None:
    found = yaml.safe_load(mergekit(MODEL, (0, 3, 4)))
    sources = [part["sources"][0] for part in found["slices"]]
    assert [source["layer_range"] for source in sources] == [[1, 3], [5, 8]]
    assert {source["model"] for source in sources} == {"some/model: 1"}
    assert (found["merge_method"], found["dtype"]) == ("passthrough", "bfloat16")


def test_mergekit_is_not_given_a_gguf_file(tmp_path: Path) -> None:
    file = tmp_path / "q.gguf"
    file.touch()
    for source in (str(file), str(tmp_path)):
        text = mergekit(replace(MODEL, source=source), (1,))
        models = {part["sources"][0]["model"] for part in yaml.safe_load(text)["slices"]}
        assert models == {"OWNER/NAME"} and text.startswith("# mergekit reads no GGUF") and Path(source).name in text
    bundled = yaml.safe_load(mergekit(replace(MODEL, source="bundled"), (1,)))
    assert bundled["slices"][0]["sources"][0]["model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


@given(CASES)
def test_evopress_file(case: tuple[int, set[int]]) -> None:
    """Read as EvoPress does: every line is a layer, without its newline."""
    layers, removed = case
    model = replace(MODEL, layers=layers, players=())
    lines = [line.strip("\n") for line in evopress(model, sorted(removed)).splitlines(keepends=True)]
    assert len(lines) == layers and set(lines) <= {"none", "attn+mlp"}
    assert {layer for layer, line in enumerate(lines) if line != "none"} == removed


def test_evopress_file_of_halves() -> None:
    model = replace(MODEL, layers=3, players=players_of(3, "sublayer"))
    assert evopress(model, indexes(model.players, ["0a", "1m", "2"])).split() == ["attn", "mlp", "attn+mlp"]


def test_every_form_from_the_command_line(
    cli: Cli, finished: Finished, spec: RunSpec, tiny: Path, tmp_path: Path
) -> None:
    [run] = finished(replace(spec, masks=40))
    written = {}
    for form in ("recipe", "mergekit", "llama.cpp", "evopress"):
        status, answer, errors = cli("recipe", run, "--remove", "5,2", "--format", form)
        assert status == 0, errors
        assert (answer["removed"], answer["format"], answer["run"]) == ([2, 5], form, run)
        written[form] = answer["text"]
    assert "--prune-layers 2,5 " in written["llama.cpp"]
    assert yaml.safe_load(written["mergekit"])["slices"][1]["sources"][0]["layer_range"] == [3, 5]
    assert written["evopress"].split("\n").count("attn+mlp") == 2
    assert cli("recipe", run, "--remove", "8")[1]["error"]["kind"] == "SelectionError"

    file, out = tmp_path / "recipe.json", tmp_path / "small"
    file.write_text(written["recipe"])
    elsewhere = tmp_path / "another.duckdb"
    status, answer, _ = cli("export", "--recipe", file, "--out", out, cache=elsewhere)
    assert status == 1 and answer["error"]["kind"] == "ModelNotFound" and "--model PATH" in answer["error"]["hint"]
    where = ("--model", spec.model, "--corpus", spec.corpus)
    status, first, errors = cli("export", "--recipe", file, *where, "--out", out, cache=elsewhere)
    assert status == 0, errors
    assert first["removed"] == [2, 5] and first["verified"]
    assert cli("runs", cache=elsewhere)[1]["runs"] == []
    for text in (written["recipe"], *((out / name).read_text() for name in ("quorum.json", "README.md"))):
        assert str(Path(spec.model).parent) not in text and str(Path(spec.corpus).parent) not in text
        assert Path(spec.model).name in text
    here = cli("export", "--recipe", file, "--out", tmp_path / "here")[1]
    assert {**here, "path": "", "seconds": {}} == {**first, "path": "", "seconds": {}}
    moved = save_model(tmp_path / "moved")
    again = cli("export", "--recipe", out / "quorum.json", "--model", moved, "--out", tmp_path / "again")[1]
    assert {**again, "path": "", "seconds": {}} == {**first, "path": "", "seconds": {}}
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()

    other = save_model(tmp_path / "other", seed=3)
    status, answer, _ = cli("export", "--recipe", file, "--model", other, "--out", tmp_path / "no")
    assert status == 1 and answer["error"]["kind"] == "ExportError" and "fingerprint" in answer["error"]["message"]
    assert not (tmp_path / "no").exists()
    status, answer, _ = cli("export", "--recipe", file, "--model", out, "--out", tmp_path / "no")
    assert status == 1 and "is another one than that of the recipe, which has 8 layers" in answer["error"]["message"]
    for wrong in (["--remove", "1"], [run, "--recipe", file], [run, "--remove", "1", "--model", tiny]):
        with pytest.raises(SystemExit) as misuse:
            cli("export", *wrong, "--out", tmp_path / "no")
        assert misuse.value.code == 2


def test_of_a_path_a_recipe_tells_the_last_part() -> None:
    names = {"/home/ann/models/small": "small", "~/m/small/": "small", "../small": "small", "C:\\m\\small": "small"}
    names |= {name: name for name in ("bundled", "owner/name", "owner/name@main", "owner/data:config:split", "c4")}
    assert {name: own_name(name) for name in names} == names


@pytest.fixture
def entries() -> dict[str, Any]:
    return dict(json.loads(recipe(shipped.example().result, RunSpec(), (3, 7))))


def test_what_was_written_is_read(entries: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(entries))
    found, example = read_recipe(file), shipped.example().result
    assert (found.spec, found.removed, found.run) == (RunSpec(), ("3", "7"), example.run)
    assert (found.fingerprint, found.layers) == (example.model.fingerprint, 30)
    assert read_recipe(file, "some/model", "c4").spec == RunSpec(model="some/model", corpus="c4")


def changed(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(entries: dict[str, Any]) -> None:
        for name in path[:-1]:
            entries = entries[name]
        entries[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("model", to="bundled"), "names no model"),
        (changed("model", "fingerprint", to="../../etc/passwd"), "fingerprint"),
        (changed("model", "fingerprint", to=None), "fingerprint"),
        (changed("model", "layers", to=10**12), "number of layers"),
        (changed("model", "layers", to=True), "number of layers"),
        (changed("removed", to="3,7"), "no list of players"),
        (changed("removed", to=[3, 7.5]), "no list of players"),
        (changed("removed", to=[]), "no list of players"),
        (changed("removed", to=[10**30]), "no list of players"),
        (changed("run", to="a\n# heading"), "names no run"),
        (changed("found_by", to=None), "found_by"),
        (changed("found_by", "corpus", to=["python-docs"]), "no usable corpus"),
        (changed("found_by", "corpus", to="x" * 100_000), "no usable corpus"),
        (changed("found_by", "window", to=True), "no usable window"),
        (changed("found_by", "sequences", to=10**18), "no usable sequences"),
        (changed("found_by", "strata", to={"a": 1}), "no usable strata"),
        (changed("found_by", "protect", to=None), "no usable protect"),
    ],
)
def test_recipes_that_are_none(
    entries: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    change(entries)
    (tmp_path / "recipe.json").write_text(json.dumps(entries))
    with pytest.raises(NotRecipe, match=said) as error:
        read_recipe(tmp_path / "recipe.json")
    assert error.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"model": {}}', "\x00", " " * 2**21])
def test_files_that_are_no_recipes(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(NotRecipe):
        read_recipe(tmp_path / "recipe.json")
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "sparse.json").open("wb") as file:
        file.truncate(3 * 2**30)
    for other in (tmp_path, *(tmp_path / f"{name}.json" for name in ("missing", "pipe", "sparse"))):
        with pytest.raises(NotRecipe, match="cannot be read"):
            read_recipe(other)


def test_layers_that_the_model_does_not_have(entries: dict[str, Any], tmp_path: Path) -> None:
    for removed in ([30], [-1], [2, 2], list(range(30))):
        (tmp_path / "recipe.json").write_text(json.dumps(entries | {"removed": removed}))
        with pytest.raises(SelectionError):
            read_recipe(tmp_path / "recipe.json")


def test_every_format_has_a_writer_of_its_own() -> None:
    """None falls back to another: each says of the same removal what the tool by its name reads."""
    result, spec = shipped.example().result, shipped.example().spec
    written = {name: write(result, spec, (3, 7)) for name, write in FORMATS.items()}
    assert len({*written.values()}) == len(written) and next(iter(written)) == "recipe"
    assert json.loads(written["recipe"])["removed"] == [3, 7]
    assert yaml.safe_load(written["mergekit"])["merge_method"] == "passthrough"
    assert "--prune-layers 3,7 " in written["llama.cpp"]
    assert written["evopress"].splitlines().count("attn+mlp") == 2


@pytest.mark.parametrize(("architecture", "lines"), [("LlamaForCausalLM", 0), ("Gemma3ForCausalLM", 3)])
def test_recipes_for_tools_that_leave_settings_of_layers_say_so(architecture: str, lines: int) -> None:
    model = ModelInfo("some/model", architecture, 8, 100, "0123456789abcdef", "float32", "cpu")
    for text in (mergekit(model, (2, 5)), llama_quantize(model, (2, 5))):
        comments = [line for line in text.splitlines() if line.startswith("# ")]
        assert len(comments) == lines and all(architecture in line for line in comments[:1])
        assert text.splitlines()[lines].startswith(("slices:", "llama-quantize"))
