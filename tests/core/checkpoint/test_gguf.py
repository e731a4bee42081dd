"""GGUF files: whole or in parts, the model is the one that was packed; or the file is refused by name."""

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from core.checkpoint import gguf
from core.checkpoint.checkpoint import Checkpoint, fingerprint, locate
from core.checkpoint.gguf_header import read_header
from core.errors import DiskFull, ModelNotFound, TooLarge, UnsupportedModel
from tests.support.packed.gguf_files import Tensors, packed_tensors, write

IDS = torch.arange(40).view(2, 20) * 5 % 256


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def logits(folder: Path) -> torch.Tensor:
    """By plain transformers."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


def packed(checkpoint: Checkpoint) -> torch.Tensor:
    return logits(checkpoint.folder)


def test_all_parts_are_read_whichever_is_named(tiny: Path, tmp_path: Path, home: Path) -> None:
    expected = logits(tiny)
    [whole] = write(tmp_path / "whole", tiny)
    torch.testing.assert_close(packed(locate(str(whole))), expected)
    folder = tmp_path / "parts"
    files = write(folder, tiny, part=20)
    assert len(files) == 4
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for file, name in zip(files, "zyxw", strict=True):
        shutil.copy(file, renamed / f"{name}.gguf")
    shutil.copy(whole, renamed / "another.gguf")  # does no harm where a part is named
    named = [folder, *files, renamed / "w.gguf", renamed / "z.gguf"]
    found = [locate(str(path)) for path in named]
    torch.testing.assert_close(packed(found[0]), expected)
    assert {one.folder for one in found} == {found[0].folder}
    assert all(len(one.packed) == 4 for one in found)
    assert fingerprint(found[0]) == fingerprint(locate(str(whole)))
    assert not list(home.rglob("*.gguf")) and not list(home.rglob("*.part"))


def test_one_part_more_changes_the_stamp(tiny: Path, tmp_path: Path) -> None:
    files = write(tmp_path / "parts", tiny, part=40)
    found = locate(str(files[0]))
    before = found.stamp
    os.utime(files[1], (1, 1))
    assert found.stamp != before


Change = Callable[[list[Path]], Any]


def other_model(files: list[Path]) -> None:
    """The second part of a model with another number of parts."""
    tensors = {f"t{place}": np.zeros(4, np.float32) for place in range(60)}
    others = write(files[0].parent / "other", Path(os.environ["TINY"]), lambda found: found.update(tensors), part=20)
    shutil.copy(others[1], files[1])


PARTS: dict[str, tuple[Change, str]] = {
    "the first is missing": (lambda files: files[0].unlink(), "part 1 is missing: model-00001-of-00004.gguf"),
    "one is missing": (lambda files: files[2].unlink(), "part 3 is missing: model-00003-of-00004.gguf"),
    "the last is missing": (lambda files: files[3].unlink(), "part 4 is missing"),
    "one is there twice": (lambda files: shutil.copy(files[1], files[2]), "Part 2 of 4 is there twice"),
    "one is of another model": (other_model, "belongs to another model"),
    "one is cut off": (lambda files: os.truncate(files[2], 5000), "model-00003-of-00004.gguf is a GGUF file"),
    "one is empty": (lambda files: os.truncate(files[1], 0), "model-00002-of-00004.gguf is a GGUF file"),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("by", ["part", "folder"])
def test_parts_that_do_not_make_one_model(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by: str
) -> None:
    monkeypatch.setenv("TINY", str(tiny))
    files = write(tmp_path / "parts", tiny, part=20)
    change, said = PARTS[name]
    change(files)
    shutil.rmtree(tmp_path / "parts" / "other", ignore_errors=True)
    left = next(file for file in files if file.exists())
    with pytest.raises(UnsupportedModel) as refused:
        locate(str(left if by == "part" else left.parent))
    assert said in refused.value.message


def test_parts_of_a_finetune_among_the_others(tiny: Path, tmp_path: Path) -> None:
    """As many parts and tensors, cut elsewhere: a tensor is there twice, or one is missing."""
    files = write(tmp_path / "parts", tiny, part=20)
    shuffled = write(
        tmp_path / "third",
        tiny,
        lambda tensors: [tensors.update({n: tensors.pop(n)}) for n in sorted(tensors)],
        part=20,
    )
    assert len(shuffled) == len(files)
    shutil.copy(shuffled[1], files[1])
    with pytest.raises(UnsupportedModel, match=r"is in model-0000.* and in model-0000"):
        locate(str(files[0]))


def test_several_models_in_a_folder(tiny: Path, tmp_path: Path) -> None:
    write(tmp_path, tiny)
    shutil.copy(tmp_path / "model.gguf", tmp_path / "another.gguf")
    with pytest.raises(ModelNotFound, match="2 GGUF files"):
        locate(str(tmp_path))


def models_in(home: Path) -> list[Path]:
    """What lies among converted models, but for locks and what is known of files by their dates."""
    return [path for path in (home / "models").iterdir() if path.suffix != ".lock" and path.name != "digests.json"]


MISSING = ["blk.3.ffn_up.weight", "output_norm.weight", "token_embd.weight", "blk.0.attn_norm.weight"]


@pytest.mark.parametrize("name", MISSING)
def test_a_tensor_that_the_file_does_not_give(tiny: Path, tmp_path: Path, home: Path, name: str) -> None:
    [file] = write(tmp_path, tiny, lambda tensors: tensors.pop(name))
    with pytest.raises(UnsupportedModel) as refused:
        locate(str(file))
    assert file.name in refused.value.message and "missing" in refused.value.message
    assert not models_in(home)


def test_a_tensor_of_another_shape(tiny: Path, tmp_path: Path) -> None:
    [file] = write(tmp_path, tiny, lambda found: found.update({"blk.1.ffn_up.weight": np.ones((40, 32), np.float32)}))
    with pytest.raises(
        UnsupportedModel, match=r"layers\.1\.mlp\.up_proj\.weight in the files of model\.gguf has the shape"
    ):
        locate(str(file))


def test_tensors_that_the_model_has_no_place_for(tiny: Path, tmp_path: Path) -> None:
    def biased(tensors: Tensors) -> None:
        tensors["blk.2.attn_q.bias"] = np.ones(32, np.float32)

    [file] = write(tmp_path / "biased", tiny, biased)
    with pytest.raises(UnsupportedModel, match=r"no place for blk\.2\.attn_q\.bias"):
        locate(str(file))
    # Blocks past the last one predict further tokens: no causal model has them.
    [file] = write(tmp_path / "ahead", tiny, lambda found: found.update({"blk.8.nextn.norm": np.ones(32, np.float32)}))
    torch.testing.assert_close(packed(locate(str(file))), logits(tiny))


def test_a_head_of_its_own(tiny: Path, tmp_path: Path) -> None:
    """It is no copy of the embedding, whatever the family's usage is."""
    head = packed_tensors(tiny)["token_embd.weight"][::-1].copy()
    [file] = write(tmp_path, tiny, lambda tensors: tensors.update({"output.weight": head}))
    model = AutoModelForCausalLM.from_pretrained(locate(str(file)).folder)
    assert np.array_equal(model.lm_head.weight.detach().numpy(), head)


def test_scaled_rotary_frequencies(tiny: Path, tmp_path: Path) -> None:
    """Llama 3 writes its scaling as a tensor of factors: the model is that of rope_type llama3."""
    config = LlamaConfig.from_pretrained(tiny)
    config.rope_parameters = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    expected = LlamaForCausalLM.from_pretrained(tiny, config=config)
    plain = 10000.0 ** (-torch.arange(0, 8, 2) / 8)
    factors = (plain / expected.model.rotary_emb.inv_freq).numpy().astype(np.float32)
    assert factors.max() > 2
    [file] = write(tmp_path, tiny, lambda tensors: tensors.update({"rope_freqs.weight": factors}))
    with torch.inference_mode():
        torch.testing.assert_close(packed(locate(str(file))), expected(input_ids=IDS).logits)


@pytest.mark.parametrize("kind", ["yarn", "longrope", "dynamic"])
def test_scaling_that_transformers_leaves_out(tiny: Path, tmp_path: Path, kind: str) -> None:
    [file] = write(tmp_path, tiny, rope_scaling_type=kind)
    with pytest.raises(UnsupportedModel, match=f"scales its rotary frequencies .{kind}."):
        locate(str(file))


def test_what_an_earlier_release_made_is_made_again(tiny: Path, tmp_path: Path, home: Path) -> None:
    """It kept what was filled in at random."""
    [file] = write(tmp_path, tiny)
    first = locate(str(file)).folder
    (first / "gguf.json").unlink()
    (first / "model.safetensors").write_bytes(b"")
    torch.testing.assert_close(packed(locate(str(file))), logits(tiny))


def test_no_room(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    files = write(tmp_path, tiny, part=20)
    with monkeypatch.context() as patched:
        patched.setattr(gguf, "available", lambda: 1000)
        with pytest.raises(TooLarge, match="once they are unpacked"):
            locate(str(files[0]))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))
        with pytest.raises(DiskFull, match="once it is unpacked"):
            locate(str(files[0]))
    assert not models_in(home)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def head(tensors: int = 0, keys: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys)


def array(kind: int, count: int) -> bytes:
    return head(keys=1) + text("tokens") + struct.pack("<IIQ", 9, kind, count)


def tensor(name: str = "a", shape: tuple[int, ...] = (4,), kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return head(tensors=1) + text(name) + sizes + struct.pack("<IQ", kind, offset)


HEADERS = {
    "nothing": (b"", "cut off"),
    "another format": (b"PK\x03\x04" + bytes(60), "does not begin as one"),
    "a version": (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
    "of the other byte order": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
    "tensors without end": (head(tensors=2**60), "announces"),
    "keys without end": (head(keys=2**63), "announces"),
    "a key without end": (head(keys=1) + struct.pack("<Q", 2**62) + bytes(50), "longer than the file"),
    "a string without end": (head(keys=1) + text("k") + struct.pack("<IQ", 8, 2**40), "longer than the file"),
    "an array without end": (array(0, 2**50), "elements"),
    "strings without end": (array(8, 2**50), "elements"),
    "strings past the end": (array(8, 1000) + bytes(200), "longer than the file"),
    "arrays of arrays": (array(9, 1) + bytes(200), "elements of type 9"),
    "a value of no type": (head(keys=1) + text("k") + struct.pack("<I", 77) + bytes(50), "value of type 77"),
    "a key twice": (head(keys=2) + 2 * (text("k") + struct.pack("<II", 4, 1)), "twice"),
    "an odd alignment": (head(keys=1) + text("general.alignment") + struct.pack("<II", 4, 0), "alignment"),
    "dimensions without end": (head(1) + text("a") + struct.pack("<I", 2**31) + bytes(99), "dimensions"),
    "a tensor past the end": (tensor(shape=(2**20,)) + bytes(64), "does not fit"),
    "a tensor of absurd size": (tensor(shape=(2**40, 2**40)) + bytes(64), "does not fit"),
    "a tensor far away": (tensor(offset=2**60) + bytes(64), "does not fit"),
    "a tensor of no type": (tensor(kind=9999) + bytes(64), "9999"),
    "names that are no text": (head(keys=1) + struct.pack("<Q", 2) + b"\xff\xff" + bytes(50), "utf-8"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_promise_too_much(tmp_path: Path, name: str) -> None:
    content, said = HEADERS[name]
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(UnsupportedModel) as refused:
        locate(str(tmp_path / "m.gguf"))
    assert "m.gguf is a GGUF file that transformers cannot read" in refused.value.message
    assert said in refused.value.message


COUNTS = {
    "tokens": (
        head(1, 2) + text("general.architecture") + struct.pack("<I", 8) + text("llama") + text("tokens"),
        "lists",
    ),
    "layers": (head(1, 2) + text("general.architecture") + struct.pack("<I", 8) + text("llama"), "block_count"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_that_no_tensors_stand_behind(tmp_path: Path, name: str) -> None:
    """Two million tokens, or a billion layers, beside a tensor of four numbers."""
    content, said = COUNTS[name]
    many = struct.pack("<IIQ", 9, 0, 1_900_000) + bytes(1_900_000)
    content += many if name == "tokens" else text("llama.block_count") + struct.pack("<II", 4, 10**9)
    (tmp_path / "m.gguf").write_bytes(content + tensor()[24:] + bytes(100))
    with pytest.raises(UnsupportedModel, match=said):
        locate(str(tmp_path / "m.gguf"))


def test_a_model_larger_than_its_file(tiny: Path, tmp_path: Path) -> None:
    """The keys ask for more than the tensors hold: nothing of that size is made."""
    [file] = write(tmp_path, tiny)
    content = file.read_bytes()
    key = b"llama.feed_forward_length" + struct.pack("<I", 4)
    assert content.count(key + struct.pack("<I", 48)) == 1
    file.write_bytes(content.replace(key + struct.pack("<I", 48), key + struct.pack("<I", 2**31)))
    with pytest.raises(UnsupportedModel, match="takes"):
        locate(str(file))


def test_what_is_no_file(tiny: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "device.gguf").symlink_to("/dev/zero")
    for name in ("pipe.gguf", "device.gguf"):
        with pytest.raises(UnsupportedModel, match="no regular file"):
            locate(str(tmp_path / name))
    [file] = write(tmp_path / "holes", tiny)
    os.truncate(file, 2**40)
    with pytest.raises(UnsupportedModel, match="most of it is a hole"):
        locate(str(file))


def test_the_header_against_the_library(tiny: Path, tmp_path: Path) -> None:
    for file in write(tmp_path, tiny, part=20):
        found, reader = read_header(file), GGUFReader(file)
        expected = [(t.name, tuple(t.shape), int(t.tensor_type), t.data_offset, t.n_bytes) for t in reader.tensors]
        assert [(t.name, t.shape, t.type, t.begin, t.size) for t in found.tensors] == expected
        assert found.part == (int(reader.fields["split.no"].contents()), 4, 74)
