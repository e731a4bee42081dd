"""Models larger than memory: refused before they are read, or offloaded and measured exactly as in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.baselines.criteria import check_plain_weights
from core.checkpoint.checkpoint import locate
from core.checkpoint.device import choose_device
from core.checkpoint.memory import _left_in_container, available
from core.checkpoint.size import weight_bytes
from core.errors import DeviceError, SelectionError, TooLarge
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.export.export import export
from core.model.model import LoadedModel, load
from core.model.similarity import similarity
from core.paths import home
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli
from tests.support.models import CONFIGS, recipe_of, save_model

SCARCE = "0.00025"  # GiB: about half of what the small models take in float32
MASKS = np.random.default_rng(0).random((7, 8)) < 0.7
IDS = torch.randint(0, 256, (5, 20), generator=torch.Generator().manual_seed(0))


def offloaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    monkeypatch.setenv("QUORUM_MEMORY", SCARCE)
    loaded = load(locate(str(folder)), "float32", "offload")
    assert loaded.offloaded and "disk" in loaded.model.hf_device_map.values()
    return loaded


@pytest.mark.parametrize("family", CONFIGS)
def test_offloaded_losses_are_those_in_memory(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit, by plain forwards and with shared prefixes."""
    folder = save_model(tmp_path / family, family)
    whole, spread = load(locate(str(folder)), "float32", "cpu"), offloaded(folder, monkeypatch)
    assert spread.info == whole.info and spread.layer_parameters == whole.layer_parameters
    expected = np.stack([sequence_losses(whole, IDS, mask) for mask in MASKS])
    assert np.array_equal(np.stack([sequence_losses(spread, IDS, mask) for mask in MASKS]), expected)
    for row, losses in Evaluator(spread, IDS).losses(MASKS):
        assert losses == pytest.approx(expected[row], rel=1e-5)
    assert np.array_equal(similarity(spread, IDS).cosine, similarity(whole, IDS).cosine)


def test_a_skipped_layer_is_not_brought_from_the_disk(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are made unreadable: a forward without the layer does not notice, one with it does."""
    spread = offloaded(tiny, monkeypatch)
    last = next(module for module in spread.blocks.modules[7].modules() if type(module) is torch.nn.Linear)
    last._hf_hook.weights_map = {}
    sequence_losses(spread, IDS, np.arange(8) != 7)
    with pytest.raises(KeyError):
        sequence_losses(spread, IDS, np.ones(8, dtype=np.bool_))


def test_what_needs_weights_in_memory_says_so(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SelectionError, match="on the disk"):
        check_plain_weights(offloaded(tiny, monkeypatch))


def test_export_of_an_offloaded_model(
    tiny: Path, tiny_loaded: LoadedModel, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    spread = offloaded(tiny, monkeypatch)
    text = TextSpec(str(text_file), "evaluation", 16, 4)
    windows = cut(read(str(text_file), "evaluation"), spread.checkpoint.tokenizer, text)
    losses = export(spread, windows, recipe_of(spread, (1, 5)), tmp_path / "out").losses
    mask = np.array([layer not in (1, 5) for layer in range(8)])
    assert losses == pytest.approx(sequence_losses(tiny_loaded, windows.ids, mask), rel=1e-6)
    del spread
    assert not list((home() / "offload").glob("*/*"))  # nothing is left there


def test_too_large_is_refused_before_it_is_read(tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert weight_bytes(tiny, "float32") == 2 * weight_bytes(tiny, "bfloat16") == weight_bytes(tiny, "auto")
    monkeypatch.setenv("QUORUM_MEMORY", SCARCE)
    with pytest.raises(TooLarge, match="in float32, and cpu has") as refused:
        load(locate(str(tiny)), "float32", "cpu")
    assert "--dtype bfloat16" in refused.value.hint and "--device offload" in refused.value.hint


def test_a_run_says_what_it_takes_and_is_refused(
    cli: Cli, tiny: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORUM_MEMORY", SCARCE)
    text = ["--corpus", text_file, "--window", 16, "--dtype", "float32"]
    status, answer, said = cli("run", "--model", tiny, *text, "--device", "cpu", "--masks", 10)
    assert (status, answer["error"]["kind"]) == (1, "TooLarge")
    assert "To measure: 11 coalitions" in said and "That is more than the 0.3 MiB that are free" in said
    status, answer, _ = cli("perplexity", "--model", tiny, *text, "--windows", 2, "--device", "offload")
    assert status == 0 and answer["perplexity"] > 1


def test_available_memory_is_the_least_of_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    assert _left_in_container(tmp_path) == [400]
    (tmp_path / "memory.max").write_text("max\n")
    assert _left_in_container(tmp_path) == [] == _left_in_container(tmp_path / "none")
    monkeypatch.setenv("QUORUM_MEMORY", "0.5")
    assert available() <= 2**29
    for odd in ("a lot", "-1", "nan", "inf"):
        monkeypatch.setenv("QUORUM_MEMORY", odd)
        with pytest.raises(DeviceError, match="no amount of memory"):
            available()


def test_offload_computes_on_the_best_device() -> None:
    assert choose_device("offload") == ("cuda" if torch.cuda.is_available() else "cpu")
