"""Folders that somebody else has made: each is refused with its reason, and nothing from it is executed."""

import json
import os
import pickle
import runpy
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from core.checkpoint.checkpoint import locate
from core.checkpoint.gguf import bundled_file
from core.errors import ModelError, UnsafeWeights, UnsupportedModel
from core.model.model import load
from tests.support.models import save_model

Change = Callable[[Path], Any]


def fields(name: str, **changed: Any) -> Change:
    """Writes entries into a file of settings."""

    def change(folder: Path) -> None:
        file = folder / name
        entries = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(entries | changed))

    return change


def content(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


def index(shard: str) -> Change:
    """Weights in a file of another name, which an index points to."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
        entries = {"metadata": {}, "weight_map": {"model.norm.weight": shard}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(entries))

    return change


def link(name: str) -> Change:
    """A file that is a link to one outside, which is what it should be."""

    def change(folder: Path) -> None:
        outside = folder.parent / f"outside-{name}"
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside)

    return change


def linked_templates(folder: Path) -> None:
    """A folder of chat templates that is a link to one outside."""
    outside = folder.parent / "templates"
    outside.mkdir()
    (outside / "tool.jinja").write_text("{{ messages }}")
    (folder / "additional_chat_templates").symlink_to(outside)


def header(change: Callable[[dict[str, Any]], None]) -> Change:
    """Another header of the weights, the tensors left as they are."""

    def rewrite(folder: Path) -> None:
        file = folder / "model.safetensors"
        data = file.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        described = json.loads(data[8 : 8 + length])
        change(described)
        text = json.dumps(described).encode()
        file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])

    return rewrite


def weights(edit: Callable[[bytes], bytes]) -> Change:
    def change(folder: Path) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(edit(file.read_bytes()))

    return change


def huge(folder: Path) -> None:
    os.truncate(folder / "config.json", 2**27)  # sparse: no such space is taken


DEEP = "[" * 200_000
BAD: dict[str, tuple[Change, type[ModelError], str]] = {
    "code for the model": (
        fields("config.json", auto_map={"AutoModelForCausalLM": "own.Model"}), UnsafeWeights, "never executes"
    ),
    "code of an unknown model": (
        fields("config.json", model_type="own", auto_map={"AutoConfig": "own.Config"}), UnsafeWeights, "never executes"
    ),
    "code elsewhere": (
        fields("config.json", auto_map={"AutoConfig": "some/where--own.Config"}), UnsafeWeights, "some/where"
    ),
    "code for the tokenizer": (
        fields("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]}), UnsafeWeights, "own.Tok"
    ),
    "code for generation": (fields("generation_config.json", auto_map={"G": "own.G"}), UnsafeWeights, "own.G"),
    "code for a processor": (fields("processor_config.json", auto_map={"P": "own.P"}), UnsafeWeights, "own.P"),
    "a kernel": (fields("config.json", attn_implementation="some/kernel"), UnsafeWeights, "kernel"),
    "an adapter": (
        lambda folder: (
            fields("adapter_config.json", base_model_name_or_path="some/model")(folder),
            content("adapter_model.safetensors", "")(folder),
        ),
        UnsafeWeights,
        "adapter",
    ),
    "shards up the tree": (index("../other/model.safetensors"), UnsafeWeights, "no safetensors file of the folder"),
    "shards at the root": (index("/tmp/model.safetensors"), UnsafeWeights, "no safetensors file of the folder"),
    "shards in pickles": (index("pytorch_model.bin"), UnsafeWeights, "no safetensors file of the folder"),
    "shards missing": (index("model-00002-of-00002.safetensors"), UnsupportedModel, "is missing"),
    "shards not named": (fields("model.safetensors.index.json", weight_map=[1]), UnsupportedModel, "weight_map"),
    "weights elsewhere": (
        fields("config.json", transformers_weights="../x.safetensors"), UnsafeWeights, "points out of the folder"
    ),
    "vocabulary elsewhere": (fields("tokenizer_config.json", vocab_file="/etc/passwd"), UnsafeWeights, "/etc/passwd"),
    "tokenizers elsewhere": (
        fields("tokenizer_config.json", fast_tokenizer_files=["../../tokenizer.1.0.json"]), UnsafeWeights, "points out"
    ),
    "linked config": (link("config.json"), UnsafeWeights, "leads out of the folder"),
    "linked weights": (link("model.safetensors"), UnsafeWeights, "leads out of the folder"),
    "linked tokenizer": (link("tokenizer.json"), UnsafeWeights, "leads out of the folder"),
    "linked templates": (linked_templates, UnsafeWeights, "leads out of the folder"),
    "a billion layers": (fields("config.json", num_hidden_layers=10**9), UnsupportedModel, "no model has"),
    "a thousand layers": (fields("config.json", num_hidden_layers=1000), UnsupportedModel, "1000 layers"),
    "a billion heads": (fields("config.json", num_attention_heads=10**9), UnsupportedModel, "no model has"),
    "terabytes wide": (fields("config.json", hidden_size=10**9), UnsupportedModel, "its files hold"),
    "more than numbers": (fields("config.json", hidden_size=10**12), UnsupportedModel, "config.json"),
    "terabytes of vocabulary": (fields("config.json", vocab_size=10**12), UnsupportedModel, "its files hold"),
    "other shapes": (fields("config.json", intermediate_size=64), UnsupportedModel, "has the shape [48, 32]"),
    "sizes that are words": (fields("config.json", hidden_size="wide"), UnsupportedModel, "makes no sense"),
    "no heads": (fields("config.json", num_attention_heads=0), UnsupportedModel, "makes no sense"),
    "negative sizes": (fields("config.json", intermediate_size=-4), UnsupportedModel, "config.json"),
    "a deep config": (content("config.json", DEEP), UnsupportedModel, "cannot be read"),
    "a deep index": (content("model.safetensors.index.json", DEEP), UnsupportedModel, "cannot be read"),
    "a deep tokenizer": (content("tokenizer.json", DEEP), UnsupportedModel, "no tokenizer that can be read"),
    "a list of settings": (content("tokenizer_config.json", "[1]"), UnsupportedModel, "no JSON object"),
    "a huge config": (huge, UnsupportedModel, "134,217,728 bytes"),
    "half the weights": (weights(lambda data: data[: len(data) // 2]), UnsupportedModel, "is damaged"),
    "more than weights": (weights(lambda data: data + b"more"), UnsupportedModel, "is damaged"),
    "no weights": (weights(lambda data: b""), UnsupportedModel, "is damaged"),
    "a header past the end": (weights(lambda data: struct.pack("<Q", 2**40) + data[8:]), UnsupportedModel, "damaged"),
    "a deep header": (weights(lambda _: struct.pack("<Q", 200_000) + DEEP.encode()), UnsupportedModel, "damaged"),
    "overlapping tensors": (
        header(lambda tensors: tensors["model.norm.weight"].update(data_offsets=[0, 128])), UnsupportedModel, "damaged"
    ),
    "a tensor of other size": (
        header(lambda tensors: tensors["model.norm.weight"].update(shape=[2**40])), UnsupportedModel, "damaged"
    ),
    "no tensors": (weights(lambda data: struct.pack("<Q", 2) + b"{}"), UnsupportedModel, "hold no tensors"),
}  # fmt: skip


@pytest.fixture
def hostile(tiny: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the small model with a module that leaves a mark when it is executed, and the mark's path."""
    folder, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(tiny, folder)
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    runpy.run_path(str(folder / "own.py"))
    mark.unlink()  # and it would have left it
    return folder, mark


@pytest.mark.parametrize("name", BAD)
def test_refused_with_its_reason(hostile: tuple[Path, Path], name: str) -> None:
    folder, mark = hostile
    change, error, said = BAD[name]
    change(folder)
    with pytest.raises(error) as refused:
        checkpoint = locate(str(folder))
        assert isinstance(checkpoint.tokenizer, PreTrainedTokenizerBase)
        load(checkpoint, "float32", "cpu")
    assert said in refused.value.message and refused.value.hint
    assert not mark.exists()


class Trap:
    """A pickle that leaves a mark when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_pickles_are_never_read(hostile: tuple[Path, Path]) -> None:
    folder, mark = hostile
    trap = pickle.dumps(Trap(mark))
    pickle.loads(trap)
    mark.unlink()
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(trap)
    load(locate(str(folder)), "float32", "cpu")  # it has safetensors too
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsafeWeights, match="pickle"):
        locate(str(folder))
    assert not mark.exists()


def test_what_nothing_follows_does_no_harm(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    """Where a model was saved from, a chat template, code for generation: in honest folders too, and never used."""
    folder, mark = hostile
    other = save_model(tmp_path / "other", seed=1)
    expected = load(locate(str(folder)), "float32", "cpu").info
    (folder / "results").symlink_to(other)
    fields("config.json", _name_or_path=str(other))(folder)
    fields(
        "tokenizer_config.json", name_or_path=str(other), special_tokens_map_file=str(other / "special_tokens_map.json")
    )(folder)
    (folder / "chat_template.jinja").write_text(
        "{% for c in ().__class__.__base__.__subclasses__() %}{{ c.__init__.__globals__ }}{% endfor %}"
    )
    (folder / "custom_generate").mkdir()
    shutil.copy(folder / "own.py", folder / "custom_generate" / "generate.py")
    checkpoint = locate(str(folder))
    assert checkpoint.tokenizer("tale")["input_ids"]
    assert load(checkpoint, "float32", "cpu").info == expected
    assert not mark.exists()


def test_a_snapshot_of_the_hub_is_made_of_links(tiny: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--some--model"
    snapshot, blobs = repository / "snapshots" / "0123", repository / "blobs"
    snapshot.mkdir(parents=True)
    shutil.copytree(tiny, blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    load(locate(str(snapshot)), "float32", "cpu")
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to(tiny / "config.json")
    with pytest.raises(UnsafeWeights, match="leads out"):
        locate(str(snapshot))


@pytest.mark.parametrize("bytes_left", [0, 5_000, 40_000_000])
def test_a_truncated_gguf_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_left: int) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    file = tmp_path / "model.gguf"
    with bundled_file().open("rb") as whole:
        file.write_bytes(whole.read(bytes_left))
    with pytest.raises(UnsupportedModel, match="cannot read"):
        locate(str(file))
    assert not any((tmp_path / "home" / "models").glob("*/"))
