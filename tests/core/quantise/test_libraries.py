"""GPTQ and NF4: what their files hold, unpacked by hand, is the model whose perplexity is said; and it can be cut."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.checkpoint.checkpoint import locate
from core.checkpoint.quantisation import count_parameters
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import sequence_losses
from core.model.model import load
from core.quantise.libraries import LIBRARIES
from core.records.spec import RunSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli

Tensors = Mapping[str, torch.Tensor]
PLACES = ("HF_HOME", "HF_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_MODULES_CACHE")


def of_gptq(packed: Tensors, name: str) -> torch.Tensor:
    """(outputs, inputs) of symmetric GPTQ: eight inputs a word, each input in the group that `g_idx` says."""
    bits = torch.stack([packed[f"{name}.qweight"] >> shift & 15 for shift in range(0, 32, 4)], 1).flatten(0, 1)
    steps = packed[f"{name}.scales"].float()[packed[f"{name}.g_idx"].long()]
    return ((bits - 8) * steps).T.contiguous()


def of_nf4(packed: Tensors, name: str) -> torch.Tensor:
    """(outputs, inputs) of NF4: two weights a byte, the first in its upper half; scales of scales."""
    weight = f"{name}.weight"
    state = json.loads(bytes(packed[f"{weight}.quant_state.bitsandbytes__nf4"].tolist()))
    scales = packed[f"{weight}.nested_quant_map"][packed[f"{weight}.absmax"].long()]
    scales = scales * packed[f"{weight}.nested_absmax"].repeat_interleave(state["nested_blocksize"])[: len(scales)]
    scales += state["nested_offset"]
    bytes_ = packed[weight].flatten().long()
    values = packed[f"{weight}.quant_map"][torch.stack([bytes_ >> 4, bytes_ & 15], 1).flatten()]
    return (values * scales.repeat_interleave(state["blocksize"])).reshape(state["shape"])


@pytest.mark.parametrize(
    ("library", "unpacked", "end", "group"),
    [("gptqmodel", of_gptq, ".qweight", 32), ("bitsandbytes", of_nf4, ".weight.absmax", 64)],
)
def test_what_is_written_is_what_was_measured(
    library: str,
    unpacked: Callable[[Tensors, str], torch.Tensor],
    end: str,
    group: int,
    cli: Cli,
    installed: Callable[[str], None],
    wide: Path,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(library)
    for name in PLACES:
        monkeypatch.delenv(name, raising=False)
    here = set(Path.cwd().iterdir())
    small = "--corpus", text_file, "--sequences", 4, "--window", 16, "--dtype", "float32", "--fit", 6
    out = tmp_path / "four"
    status, answer, errors = cli("quantise", wide, "--library", library, "--group-size", group, "--out", out, *small)
    assert status == 0, errors
    assert set(Path.cwd().iterdir()) == here, "nothing is left where it was called"
    assert (answer["library"], answer["version"], answer["group"]) == (library, LIBRARIES[library].version, group)
    fitted = answer["fitted"]
    assert (fitted is None) == (library == "bitsandbytes")
    assert fitted is None or (fitted["split"], fitted["sequences"], fitted["window"]) == ("calibration", 6, 16)
    assert str(tmp_path) not in "".join(file.read_text() for file in out.glob("*.json")), "no path of this machine"

    packed, whole = load_file(out / "model.safetensors"), load_file(wide / "model.safetensors")
    names = [name.removesuffix(end) for name in packed if name.endswith(end)]
    assert len(names) == 8 * 7
    loaded = load(locate(str(wide)), "float32", "cpu")
    text = RunSpec(str(wide), str(text_file), sequences=4, window=16).text("evaluation")
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, text)
    everyone = np.ones(len(loaded.blocks), dtype=np.bool_)
    assert answer["before"] == pytest.approx(perplexity(sequence_losses(loaded, windows.ids, everyone)), rel=1e-5)
    for name in names:
        weight = unpacked(packed, name)
        error = (weight - whole[f"{name}.weight"]).square().mean() / whole[f"{name}.weight"].square().mean()
        assert 0 < error < 0.1, "four bits of it"
        loaded.model.get_submodule(name).weight.data = weight
    assert answer["after"] == pytest.approx(perplexity(sequence_losses(loaded, windows.ids, everyone)), rel=0.02)

    # In this very process, which has the library from the side folder: the parameters before they were packed.
    four = load(locate(str(out)), "float32", "cpu")
    assert count_parameters(four.model) == pytest.approx(sum(weight.numel() for weight in whole.values()), rel=0.02)
    assert perplexity(sequence_losses(four, windows.ids, everyone)) == pytest.approx(answer["after"], rel=1e-3)
    assert not any(name in os.environ for name in PLACES), "the processes that it starts find models where they lie"


def test_blocks_of_another_size_are_refused(
    cli: Cli, installed: Callable[[str], None], wide: Path, tmp_path: Path
) -> None:
    installed("bitsandbytes")
    status, answer, errors = cli(
        "quantise", wide, "--library", "bitsandbytes", "--group-size", 32, "--out", tmp_path / "four"
    )
    assert status == 1 and "among 64 weights" in answer["error"]["message"] and "Measuring" not in errors


def test_rows_that_its_blocks_do_not_divide(
    cli: Cli, installed: Callable[[str], None], tiny: Path, tmp_path: Path
) -> None:
    installed("bitsandbytes")
    status, answer, errors = cli("quantise", tiny, "--library", "bitsandbytes", "--out", tmp_path / "four")
    assert status == 1 and "32, 48 weights" in answer["error"]["message"] and "Measuring" not in errors


def test_a_text_too_short_to_fit_to(
    cli: Cli, installed: Callable[[str], None], wide: Path, text_file: Path, tmp_path: Path
) -> None:
    installed("gptqmodel")
    asked = "--corpus", text_file, "--window", 16, "--fit", 100_000
    status, answer, errors = cli("quantise", wide, "--library", "gptqmodel", "--out", tmp_path / "four", *asked)
    assert status == 1 and answer["error"]["kind"] == "CorpusError" and "Measuring" not in errors
    assert not (tmp_path / "four").exists()
