"""Folders whose files never end, or whose numbers have no measure: refused at once, by the forecast and the check."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from core.checkpoint.checkpoint import locate
from core.checkpoint.size import admitted_shape, shape_of
from core.errors import ModelError, UnsafeWeights, UnsupportedModel
from core.hub.snapshot import on_disk
from tests.support.models import save_model


def numbers(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        fields = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(fields | changed))

    return change


def sparse(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(3 * 2**30)

    return change


def pipe(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def header(length: int) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + b"{}") and None


BAD: dict[str, Callable[[Path], None]] = {
    **{f"{name} that is sparse": sparse(name) for name in ("config.json", "tokenizer.json", "chat_template.jinja")},
    **{
        f"{name} that is a pipe": pipe(name)
        for name in ("config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja", "merges.txt", "any")
    },
    **{
        f"{field} of {value}": numbers(**{field: value})
        for field in ("num_hidden_layers", "n_layer", "num_blocks", "depth", "num_local_experts")
        for value in (10**9, -3, 1e9, float("inf"), float("nan"))
    },
    "layers in a nested field": numbers(text_config={"num_hidden_layers": 10**9}),
    "layers in a list": numbers(depths=[2, 10**9]),
    "a number of five thousand digits": text("config.json", '{"vocab_size": ' + "9" * 5000 + "}"),
    "deep JSON": text("config.json", "[" * 200_000),
    "a deep object": text("config.json", '{"a":' * 200_000),
    "a header of an absurd length": header(2**62),
    "a header longer than the file": header(2**20),
    "a deep header": lambda folder: (
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", 200_005) + b'{"a":' + b"[" * 200_000) and None
    ),
}


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_what_has_no_bound(change: Callable[[Path], None], tmp_path: Path) -> None:
    change(save_model(tmp_path / "model"))
    with pytest.raises(ModelError):
        locate(str(tmp_path / "model"))
    assert shape_of(str(tmp_path / "model")) is None


@pytest.mark.parametrize("named", [[0], [["LlamaForCausalLM"]], {"a": 1}, "LlamaForCausalLM", 7, [None]], ids=str)
def test_architectures_that_are_no_names(named: Any, tmp_path: Path) -> None:
    numbers(architectures=named)(save_model(tmp_path / "model"))
    with pytest.raises(UnsupportedModel, match="no list of names"):
        locate(str(tmp_path / "model"))


def test_a_forecast_reads_what_the_check_passes_alone(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model")
    found = shape_of(str(folder))
    assert found is not None and found.layers == 8
    for change in (
        numbers(hidden_size=0),
        numbers(vocab_size=-5),
        numbers(num_hidden_layers=5000),
        numbers(quantization_config=[1]),
        numbers(quantization_config={"bits": "0"}),
        numbers(text_config=[1]),
    ):
        save_model(folder)
        change(folder)
        assert shape_of(str(folder)) in (None, found)


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_a_forecast_gives_the_reason_of_the_check(change: Callable[[Path], None], tmp_path: Path) -> None:
    """In the words in which a run is refused; only what needs torch to be told is left to the run."""
    folder = save_model(tmp_path / "model")
    change(folder)
    with pytest.raises(ModelError) as refused:
        locate(str(folder))
    try:
        assert admitted_shape(str(folder)) is None
    except ModelError as said:
        assert (said.message, said.hint) == (refused.value.message, refused.value.hint)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of some/model in the Hub's cache, whole."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    base, commit = tmp_path / "hub" / "models--some--model", "0123456789" * 4
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(commit)
    return save_model(base / "snapshots" / commit)


@pytest.mark.parametrize(
    "change",
    [change for name, change in BAD.items() if "deep" in name or "pipe" in name or "sparse" in name],
    ids=[name for name in BAD if "deep" in name or "pipe" in name or "sparse" in name],
)
def test_a_forecast_of_a_copy_of_a_hub_model_gives_the_reason_of_the_run(
    change: Callable[[Path], None], copy: Path
) -> None:
    """Where files that every model needs are none, it counts as not downloaded, and nothing is read."""
    found = admitted_shape("some/model")
    assert found is not None and found.layers == 8
    change(copy)
    if on_disk("some/model") is None:
        assert admitted_shape("some/model") is None
        return
    with pytest.raises(ModelError) as refused:
        locate("some/model")
    with pytest.raises(ModelError) as said:
        admitted_shape("some/model")
    assert (said.value.message, said.value.hint) == (refused.value.message, refused.value.hint)


@pytest.mark.parametrize("content", [b"[" * 200_000, None], ids=["deep", "sparse"])
def test_an_index_of_a_copy_without_bounds_is_refused(content: bytes | None, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    index = copy / "model.safetensors.index.json"
    index.write_bytes(content) if content is not None else sparse(index.name)(copy)
    with pytest.raises(UnsupportedModel, match=rf"{index.name} (cannot be read|has 3,221,225,472 bytes)"):
        admitted_shape("some/model")
    assert shape_of("some/model") is None


def test_a_copy_whose_index_is_a_pipe_is_not_whole(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    pipe("model.safetensors.index.json")(copy)
    assert on_disk("some/model") is None is admitted_shape("some/model")


def test_a_forecast_refuses_what_a_run_would_and_nothing_else(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model")
    assert admitted_shape(str(folder)) is not None
    for source in ("nobody/has-made-this-model", "~no-such-user/x", str(tmp_path / "none"), "a\0b", "x" * 5000):
        assert admitted_shape(source) is None
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "model.gguf").write_bytes(b"GGUF")
    assert admitted_shape(str(packed)) is None is admitted_shape(str(packed / "model.gguf"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeWeights, match="pickle weights only"):
        admitted_shape(str(folder))


@pytest.mark.parametrize("file", ["model.safetensors.index.json", "config.json", "generation_config.json"])
def test_small_files_of_many_values_are_not_read_at_all(file: str, tmp_path: Path) -> None:
    """Each of them takes some hundred bytes of memory, in the process of the server."""
    folder = save_model(tmp_path / "model")
    (folder / file).write_text('{"a": [' + "[]," * 2_100_000 + "0]}")
    with pytest.raises(UnsupportedModel, match=rf"{file} cannot be read: it has up to [\d,]+ values"):
        admitted_shape(str(folder))


def test_an_adapter_and_what_is_left_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter without a model; a whole model with its adapter; a merged model that kept the adapter's settings."""
    adapter, folder = tmp_path / "adapter", save_model(tmp_path / "merged")
    adapter.mkdir()
    settings = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "some/model"})
    for at in (adapter, folder):
        (at / "adapter_config.json").write_text(settings)
    for weights in ("adapter_model.safetensors", "adapter_model.bin"):
        (adapter / weights).write_bytes(b"")
        with pytest.raises(UnsafeWeights, match="belong to a model elsewhere"):
            locate(str(adapter))
        (adapter / weights).unlink()
    monkeypatch.setattr("core.checkpoint.safety.find_spec", lambda name: None)
    assert locate(str(folder)).config.num_hidden_layers == 8
    monkeypatch.setattr("core.checkpoint.safety.find_spec", lambda name: object() if name == "peft" else None)
    with pytest.raises(UnsafeWeights, match="peft, installed here, would follow") as installed:
        locate(str(folder))
    assert "delete adapter_config.json" in installed.value.hint
    monkeypatch.undo()
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(UnsafeWeights, match="an adapter beside it") as left:
        locate(str(folder))
    assert "delete adapter_config.json" in left.value.hint


def test_an_index_of_a_million_names(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    names = {f"model.layers.{number}.mlp.up_proj.weight": "a.safetensors" for number in range(1_000_000)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    with pytest.raises(UnsupportedModel, match="bytes"):
        locate(str(folder))
