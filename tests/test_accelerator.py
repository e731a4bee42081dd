"""The benchmark of accelerators, small and on a CPU: all sides are measured, and what it counts is what it says."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import accelerator
from benchmarks.compiled import beside_eager, calling, compiled
from core.coalitions.masks import layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.packing import PackedLinears
from core.evaluate.reference import sequence_losses
from core.evaluate.walks import sequences
from core.sampling.strata import default_strata, stratified


def test_one_table_and_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "found.json"
    options = ["--device", "cpu", "--dtype", "float32", "--masks", "20", "--sequences", "2", "--window", "16"]
    monkeypatch.setattr(sys, "argv", ["accelerator", *options, "--out", str(out)])
    accelerator.main()
    answer = json.loads(out.read_text())
    assert (answer["device"], answer["masks"], answer["tokens"]) == ("cpu", 20, [2, 16])
    found = answer["shapes"]["small"]
    seconds, ratios = found["seconds"], found["ratios"]
    assert set(seconds) == {"A", "B", "C1", "C", "D"} and all(value > 0 for value in seconds.values())
    for pair, value in ratios.items():
        one, other = pair.split("/")
        assert value == pytest.approx(seconds[one] / seconds[other])
    assert found["states_together"] == 1 and found["largest_relative_difference_to_B"] < 1e-5
    masks = stratified(12, default_strata(12), 20, 0)
    assert found["layer_evaluations_of_all"] == layer_evaluations(masks) / masks.size
    assert accelerator.table(answer) in capsys.readouterr().out


@pytest.mark.skipif(not shutil.which("g++"), reason="torch compiles for a CPU with g++")
def test_compiled_blocks_are_the_same_game_to_rounding() -> None:
    """And what it tells of them is what it measured."""
    loaded = accelerator.at_random("small", "float32", "cpu")
    ids = torch.randint(0, 2048, (2, 16), generator=torch.Generator().manual_seed(0))
    masks, own = stratified(12, default_strata(12), 20, 0), sequences.called
    found = beside_eager(loaded, ids, masks, 1)
    assert sequences.called is own
    assert 0 <= found["mean_absolute_nll"] < 1e-5 and found["spearman"] > 0.999 and found["compiling"] > 0
    eager, fused = found["seconds"].values()
    if fused < eager:
        assert found["pays from"] == pytest.approx(found["compiling"] / (eager - fused))
    else:
        assert found["pays from"] is None
    with calling(compiled()):
        for row, losses in Evaluator(loaded, ids, PackedLinears(torch.nn.Module())).losses(masks[:5]):
            np.testing.assert_allclose(losses, sequence_losses(loaded, ids, masks[row]), rtol=1e-5)


def test_the_arithmetic_is_that_of_the_matrices() -> None:
    """By hand: four projections of attention and three of the MLP for each layer of the trie, a head for each mask."""
    loaded = accelerator.at_random("small", "float32", "cpu")
    masks = stratified(12, default_strata(12), 20, 0)
    layer, head = 4 * 128 * 128 + 3 * 128 * 344, 128 * 2048
    expected = 2 * 32 * (layer * layer_evaluations(masks) + head * len(masks))
    assert accelerator.arithmetic(loaded, masks, 32) == expected


def test_a_model_at_random_is_measured_with_several_states_together() -> None:
    """The walk that an accelerator has, forced on a CPU."""
    loaded = accelerator.at_random("small", "float32", "cpu")
    ids = torch.randint(0, 2048, (2, 16), generator=torch.Generator().manual_seed(0))
    masks = stratified(12, default_strata(12), 20, 0)
    for row, losses in Evaluator(loaded, ids, together=8).losses(masks):
        np.testing.assert_allclose(losses, sequence_losses(loaded, ids, masks[row]), rtol=1e-5)
