"""What is fingerprinted, sized and exported is what transformers loads, whatever else lies in the folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_torch
from transformers import AutoModelForCausalLM

from core.checkpoint.checkpoint import fingerprint, locate
from core.checkpoint.headers import headers
from core.checkpoint.size import shape_of, weight_bytes
from core.errors import ModelError, UnsafeWeights, UnsupportedModel
from core.export.copy_weights import write_weights
from core.model.model import load

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
HALVES = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
IDS = torch.arange(40).view(2, 20) * 5 % 256

Weights = dict[str, torch.Tensor]
Change = Callable[[Path], Any]


def other(weights: Weights) -> Weights:
    """Another model's weights, of the same shapes."""
    return {name: weight.flip(0) for name, weight in weights.items()}


def shards(folder: Path, **mapped: str) -> tuple[Weights, dict[str, Any]]:
    """Spreads the weights over two files with an index, in which some names may be in another file."""
    weights = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    names = sorted(weights)
    weight_map = {name: HALVES[place % 2] for place, name in enumerate(names)}
    for half in HALVES:
        save(folder / half, {name: weights[name] for name in names if weight_map[name] == half})
    index = {"metadata": {}, "weight_map": weight_map | mapped}
    (folder / INDEX).write_text(json.dumps(index))
    return weights, index


def save(file: Path, weights: Weights) -> None:
    save_torch(weights, file, metadata={"format": "pt"})


def beside(name: str) -> Change:
    """Other weights under another name."""
    return lambda folder: save(folder / name, other(load_file(folder / SINGLE)))


def sharded_beside(name: str) -> Change:
    def change(folder: Path) -> None:
        weights, _ = shards(folder)
        save(folder / name, other(weights))

    return change


def stale_index(folder: Path) -> None:
    """An index whose shards are gone, beside a single file: nothing reads it."""
    index = {"metadata": {}, "weight_map": dict.fromkeys(load_file(folder / SINGLE), HALVES[1])}
    (folder / INDEX).write_text(json.dumps(index))


def index_beside(folder: Path) -> None:
    """A single file beside an index and its shards, which are another model."""
    weights = load_file(folder / SINGLE)
    save(folder / SINGLE, other(weights))
    shards(folder)
    save(folder / SINGLE, weights)


def unnamed(folder: Path) -> None:
    """Tensors in shards that the index does not name, are loaded all the same."""
    _, index = shards(folder)
    names = sorted(index["weight_map"])
    index["weight_map"] = {names[0]: HALVES[0], names[1]: HALVES[1]}
    (folder / INDEX).write_text(json.dumps(index))


def twice(folder: Path) -> None:
    """A tensor in both shards: the last one is loaded, and the index says so."""
    weights, _ = shards(folder)
    first = load_file(folder / HALVES[0])
    name = next(name for name in sorted(weights) if name not in first)
    save(folder / HALVES[0], first | other({name: weights[name]}))


def gone_head(folder: Path) -> None:
    """An index that names the tied head, which no shard has: as conversions of older checkpoints do."""
    _, index = shards(folder)
    index["weight_map"]["lm_head.weight"] = HALVES[0]
    (folder / INDEX).write_text(json.dumps(index))


def named_by_config(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    save(folder / "chosen.safetensors", weights)
    save(folder / SINGLE, other(weights))
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(fields | {"transformers_weights": "chosen.safetensors"}))


def subfolder(folder: Path) -> None:
    (folder / "original").mkdir()
    save(folder / "original" / SINGLE, other(load_file(folder / SINGLE)))


SAME: dict[str, Change] = {
    "one file": lambda folder: None,
    "shards": shards,
    "weights of another program": beside("consolidated.safetensors"),
    "another variant": beside("model.fp16.safetensors"),
    "a shard without an index": beside(HALVES[0]),
    "an adapter's weights": beside("adapter_model.safetensors"),
    "shards and weights of another program": sharded_beside("consolidated.safetensors"),
    "shards of an earlier upload": sharded_beside("model-00003-of-00003.safetensors"),
    "shards and a variant": sharded_beside("model.fp16.safetensors"),
    "an index whose shards are gone": stale_index,
    "one file beside another model's shards": index_beside,
    "tensors that the index does not name": unnamed,
    "a tensor in two shards": twice,
    "a head that no shard has": gone_head,
    "a file that config.json names": named_by_config,
    "another model in a folder below": subfolder,
}


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


@pytest.mark.parametrize("name", SAME)
def test_the_same_model_in_other_files(tiny: Path, folder: Path, tmp_path: Path, name: str) -> None:
    SAME[name](folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = load_file(tiny / SINGLE)
    assert set(headers(folder)) == set(expected)
    for tensor, weight in theirs.state_dict().items():
        if tensor in expected:
            assert torch.equal(weight, expected[tensor])  # the case itself: this is what transformers loads
    found, whole = locate(str(folder)), locate(str(tiny))
    assert shape_of(str(folder)) == shape_of(str(tiny)) and weight_bytes(folder, "auto") == weight_bytes(tiny, "auto")
    mine, plain = load(found, "float32", "cpu"), load(whole, "float32", "cpu")
    with torch.inference_mode():
        assert torch.equal(mine.model(input_ids=IDS).logits, plain.model(input_ids=IDS).logits)
    out = tmp_path / "out"
    out.mkdir()
    write_weights(folder, out, "model.layers", np.arange(8) != 3)
    written = load_file(out / SINGLE)
    assert all(torch.equal(written[kept], expected[kept]) for kept in written if ".layers." not in kept)
    assert torch.equal(written["model.layers.3.mlp.up_proj.weight"], expected["model.layers.4.mlp.up_proj.weight"])
    if "config.json" not in name:  # which says so in the configuration
        assert fingerprint(found) == fingerprint(whole)


def lost(folder: Path) -> None:
    shards(folder)
    (folder / HALVES[1]).unlink()


def no_index(folder: Path) -> None:
    shards(folder)
    (folder / INDEX).unlink()


def elsewhere(folder: Path) -> None:
    shards(folder, **{"model.norm.weight": HALVES[0], "model.embed_tokens.weight": HALVES[1]})


def twice_otherwise(folder: Path) -> None:
    """A tensor in both shards, of which the index names the one that is not loaded."""
    weights, index = shards(folder)
    second = load_file(folder / HALVES[1])
    name = next(name for name in sorted(weights) if name not in second)
    save(folder / HALVES[1], second | other({name: weights[name]}))
    assert index["weight_map"][name] == HALVES[0]


def fewer(folder: Path) -> None:
    """An index that leaves out a shard: its tensors are missing."""
    _, index = shards(folder)
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file == HALVES[0]}
    (folder / INDEX).write_text(json.dumps(index))


def fields(name: str, **changed: Any) -> Change:
    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        (folder / name).write_text(json.dumps(content | changed))

    return change


def without_metadata(folder: Path) -> None:
    _, index = shards(folder)
    (folder / INDEX).write_text(json.dumps({"weight_map": index["weight_map"]}))


REFUSED: dict[str, tuple[Change, type[ModelError], str]] = {
    "a shard is gone": (lost, UnsupportedModel, "model-00002-of-00002.safetensors is missing"),
    "shards without an index": (no_index, UnsupportedModel, "has neither model.safetensors nor"),
    "another name": (lambda one: (one / SINGLE).rename(one / "weights.safetensors"), UnsupportedModel, "has neither"),
    "an index of another model": (elsewhere, UnsupportedModel, "the index says"),
    "a tensor in two shards": (twice_otherwise, UnsupportedModel, "the index says"),
    "an index with fewer shards": (fewer, UnsupportedModel, "missing, such as model."),
    "an index without metadata": (without_metadata, UnsupportedModel, "no metadata"),
    "weights of a part": (
        fields("config.json", text_config={"transformers_weights": "x.safetensors"}), UnsafeWeights, "of its own"
    ),
    "weights in a pickle": (fields("config.json", transformers_weights="x.bin"), UnsafeWeights, "weights of its own"),
    "weights that are gone": (
        fields("config.json", transformers_weights="x.safetensors"), UnsupportedModel, "which config.json names"
    ),
    "a name that no system takes": (
        fields("config.json", transformers_weights=f"{'x' * 300}.safetensors"), UnsupportedModel, "is missing"
    ),
    "a shard's name that no system takes": (
        lambda one: shards(one, **{"lm_head.weight": f"{'x' * 5000}.safetensors"}), UnsupportedModel, "xx is missing"
    ),
}  # fmt: skip


def test_code_with_a_name_that_no_system_takes_is_not_there(folder: Path) -> None:
    fields("config.json", auto_map={"AutoModel": f"{'x' * 5000}.Model"})(folder)
    assert locate(str(folder)).config.model_type


@pytest.mark.parametrize("name", REFUSED)
def test_folders_that_are_no_one_model(folder: Path, name: str) -> None:
    change, error, said = REFUSED[name]
    change(folder)
    with pytest.raises(error) as refused:
        load(locate(str(folder)), "float32", "cpu")
    assert said in refused.value.message and refused.value.hint


def test_other_files_than_those_that_are_fingerprinted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes transformers read others, a number is of what the fingerprint says, or there is none."""
    beside("model.other.safetensors")(folder)
    reading = AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *given, **options: reading(*given, variant="other", **options)
    )
    with pytest.raises(UnsupportedModel, match=r"is not what model\.safetensors holds"):
        load(locate(str(folder)), "float32", "cpu")


def test_fingerprints_stay_what_they_were(tmp_path: Path) -> None:
    """Results files of earlier releases are found by this: it never changes."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 8,
        "hidden_size": 4,
        "intermediate_size": 6,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 16,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (8, 4), "model.norm.weight": (4,)}
    for layer in range(2):
        place = f"model.layers.{layer}."
        shapes |= {place + name: (4,) for name in ("input_layernorm.weight", "post_attention_layernorm.weight")}
        for name, rows in {"q_proj": 4, "k_proj": 2, "v_proj": 2, "o_proj": 4}.items():
            shapes[f"{place}self_attn.{name}.weight"] = rows, 4
        shapes |= {place + "mlp.gate_proj.weight": (6, 4), place + "mlp.up_proj.weight": (6, 4)}
        shapes[place + "mlp.down_proj.weight"] = 4, 6
    tensors = {
        name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 7 + place
        for place, (name, shape) in enumerate(shapes.items())
    }
    save_file(tensors, tmp_path / SINGLE, metadata={"format": "pt"})
    assert fingerprint(locate(str(tmp_path))) == "135b78fbdaa5695c"
    shards(tmp_path)
    assert fingerprint(locate(str(tmp_path))) == "135b78fbdaa5695c"


def test_other_models_have_other_fingerprints(tiny: Path, folder: Path, tmp_path: Path) -> None:
    """The same files, of which an index takes some; one number; one field."""
    expected = {fingerprint(locate(str(tiny)))}
    weights, index = shards(folder)
    third = "model-00003-of-00003.safetensors"
    changed = other({name: weight for name, weight in weights.items() if index["weight_map"][name] == HALVES[1]})
    save(folder / third, changed)
    mapped = {name: third if file == HALVES[1] else file for name, file in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index | {"weight_map": mapped}))
    found = [fingerprint(locate(str(folder)))]
    fields("config.json", rms_norm_eps=1e-5)(folder)
    found.append(fingerprint(locate(str(folder))))
    weights["model.norm.weight"][0] += 1
    save(folder / SINGLE, weights)
    found.append(fingerprint(locate(str(folder))))
    assert len(expected | set(found)) == 4


def test_the_stamp_sees_what_is_read(folder: Path) -> None:
    """The weights, the index, the tokenizer: what is in memory is of these files; others are nothing."""
    shards(folder)
    stamps = {locate(str(folder)).stamp}
    for name in (HALVES[0], INDEX, "tokenizer.json", "tokenizer_config.json", "config.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b" " if name.endswith(".json") else content)
        stamps.add(locate(str(folder)).stamp)
    assert len(stamps) == 6
    (folder / "consolidated.safetensors").write_bytes(b"")
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert locate(str(folder)).stamp in stamps
