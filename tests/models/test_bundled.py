"""The real model: SmolLM2-135M-Instruct, 30 blocks, on real text."""

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from core.checkpoint.checkpoint import locate
from core.checkpoint.gguf import bundled_file
from core.coalitions.masks import layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.model.blocks import find_blocks
from core.model.model import LoadedModel, load
from core.records.spec import TextSpec
from core.sampling.strata import default_strata, stratified
from core.text.corpora import EMBEDDED, read
from core.text.windows import Windows, cut
from tests.support.commands import Cli

# Layer evaluations of 300 masks with shared prefixes, as a share of evaluating every layer of every mask.
SHARED_AT_300 = 0.48


@pytest.fixture(scope="module")
def bundled() -> LoadedModel:
    return load(locate("bundled"), "float32", "cpu")


@pytest.fixture(scope="module")
def bfloat() -> LoadedModel:
    return load(locate("bundled"), "bfloat16", "cpu")


@pytest.fixture(scope="module")
def windows(bundled: LoadedModel) -> Windows:
    return cut(
        read(EMBEDDED, "evaluation"), bundled.checkpoint.tokenizer, TextSpec(EMBEDDED, "evaluation", 48, 3, seed=0)
    )


def test_dequantised_weights_are_those_of_the_file(bundled: LoadedModel) -> None:
    """The prepared folder against the GGUF file, read again by transformers."""
    file = bundled_file()
    direct = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    ours = dict(bundled.model.named_parameters())
    assert all(torch.equal(weight, ours[name]) for name, weight in direct.named_parameters())
    assert (bundled.info.layers, bundled.info.parameters, bundled.info.architecture) == (
        30,
        134_515_008,
        "LlamaForCausalLM",
    )
    assert "quantization_config" not in bundled.model.config.to_dict(), "packed weights would be several times slower"


def test_it_speaks_english(bundled: LoadedModel, windows: Windows) -> None:
    dense = sequence_losses(bundled, windows.ids, np.ones(30, bool)).mean()
    assert 1.5 < dense < 4.5


def test_perplexity_of_the_pruned_model(cli: Cli, bundled: LoadedModel, tmp_path: Path) -> None:
    """Against a plain Hugging Face forward whose ModuleList lost the blocks."""
    text = tmp_path / "topics.txt"
    text.write_text(read(EMBEDDED, "evaluation").text[150_000:153_000])
    answer = cli("perplexity", "--corpus", text, "--remove", "11,12,20", "--window", 40, "--dtype", "float32")[1]
    folder = bundled.checkpoint.folder
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.model.layers = torch.nn.ModuleList(b for i, b in enumerate(model.model.layers) if i not in (11, 12, 20))
    tokens = AutoTokenizer.from_pretrained(folder)(text.read_text(), add_special_tokens=False)["input_ids"]
    ids = torch.tensor(tokens[: len(tokens) // 40 * 40]).view(-1, 40)
    with torch.inference_mode():
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss.item()  # windows of one length: the mean of means
    assert answer["perplexity"] == pytest.approx(float(np.exp(loss)), rel=1e-3)
    assert answer["protocol"]["bos"] == "none" and answer["tokens"] == len(ids) * 39


def test_shared_prefixes_on_the_real_model(bundled: LoadedModel, windows: Windows) -> None:
    """Ruined models magnify rounding: ours is as near to float64 as plain skipping is.

    How near that is depends on the processor's order of summation; what both have in common is 1e-4 at worst.
    """
    masks = stratified(30, default_strata(30), 10, 0)
    preview = Evaluator(bundled, windows.ids, growing=True)
    double = copy.deepcopy(bundled.model).double()
    exact = replace(bundled, model=double, blocks=find_blocks(double))
    ours, plain = [], []
    for row, losses in Evaluator(bundled, windows.ids).losses(masks):
        truth = sequence_losses(exact, windows.ids, masks[row])
        ours.append(np.abs(losses / truth - 1))
        plain.append(np.abs(sequence_losses(bundled, windows.ids, masks[row]) / truth - 1))
        np.testing.assert_array_equal(np.concatenate(list(preview.stream(masks[row]))), losses)
    assert np.max(ours) < 1e-4 and np.mean(ours) < 2 * np.mean(plain) + 1e-6


@pytest.mark.parametrize("options", [{}, {"together": 8}, {"states": 0}], ids=str)
def test_walks_in_16_bits_rank_coalitions_as_plain_skipping_does(
    bfloat: LoadedModel, windows: Windows, options: dict[str, int]
) -> None:
    """Other sums, rounded to 16 bits: each coalition is moved, and hardly any past another."""
    masks = stratified(30, default_strata(30), 24, 1)
    walked = np.empty((len(masks), len(windows.ids)))
    for row, losses in Evaluator(bfloat, windows.ids, **options).losses(masks):
        walked[row] = losses
    plain = np.stack([sequence_losses(bfloat, windows.ids, mask) for mask in masks])
    assert spearmanr(walked.mean(axis=1), plain.mean(axis=1)).statistic >= 0.999
    assert np.abs(walked - plain).max() < 0.3 < plain.mean(axis=1).std()


def test_paper_sampler_shares_as_much_as_it_should() -> None:
    masks = stratified(30, default_strata(30), 300, 0)
    assert layer_evaluations(masks) <= SHARED_AT_300 * masks.size


def test_the_whole_way_on_the_real_model(cli: Cli, tmp_path: Path) -> None:
    """A small run, its export, and the export in a process that imports nothing of ours."""
    status, run, errors = cli(
        "run", "--sequences", 2, "--window", 32, "--masks", 20, "--dtype", "float32", "--no-search"
    )
    assert status == 0, errors
    assert run["layers"] == 30 and run["model"]["source"] == "bundled"
    assert {item["layer"] for item in run["contributions"]} == set(range(30))
    out = tmp_path / "smaller"
    status, _, errors = cli("export", run["run"], "--count", 3, "--out", out)
    assert status == 0, errors
    code = (
        "import sys, torch; from transformers import AutoModelForCausalLM as M, AutoTokenizer as T\n"
        "m = M.from_pretrained(sys.argv[1]).eval(); t = T.from_pretrained(sys.argv[1])\n"
        "ids = t('The capital of France is', return_tensors='pt').input_ids\n"
        "assert m.config.num_hidden_layers == len(m.model.layers) == 27\n"
        "a, b = (m.generate(ids, max_new_tokens=6, do_sample=False, use_cache=c) for c in (True, False))\n"
        "assert torch.equal(a, b) and m.dtype == torch.float32; print(t.decode(a[0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and done.stdout.startswith("The capital of France is"), done.stderr
