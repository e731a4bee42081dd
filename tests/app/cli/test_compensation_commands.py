"""`--compensate` on the command line: what is told is what plain transformers measures, on text no fit has seen."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.commands import Cli


@pytest.mark.parametrize("how", ["scale", "refit"])
def test_both_perplexities_are_told_on_text_that_the_fit_has_not_seen(
    how: str, cli: Cli, tiny: Path, text_file: Path
) -> None:
    ask = "perplexity", "--model", tiny, "--corpus", text_file, "--window", 32, "--dtype", "float32", "--remove", "1,4"
    status, answer, errors = cli(*ask, "--compensate", how, "--fit", 32)
    assert status == 0 and "Compensating cut 2 of 2" in errors
    done = answer["compensation"]
    assert answer["protocol"]["split"] == "evaluation" and done["fitted"]["split"] == "calibration"
    assert done["how"] == how and done["fitted"]["sequences"] == 32 and done["held"] == 8
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    model.model.layers = torch.nn.ModuleList(
        block for index, block in enumerate(model.model.layers) if index not in (1, 4)
    )
    tokens = AutoTokenizer.from_pretrained(tiny)(text_file.read_text(), add_special_tokens=False)["input_ids"]
    second = tokens[len(tokens) // 2 :]
    windows = torch.tensor(second[: len(second) // 32 * 32]).view(-1, 32)
    with torch.inference_mode():
        losses = [model(input_ids=window[None], labels=window[None], use_cache=False).loss.item() for window in windows]
    assert answer["perplexity"] == pytest.approx(math.exp(np.mean(losses)), rel=1e-3)
    accepted = [cut["accepted"] for cut in done["cuts"]]
    assert [(cut["first"], cut["last"]) for cut in done["cuts"]] == [(1, 1), (4, 4)]
    assert (done["perplexity"] != answer["perplexity"]) == any(accepted)


def test_nothing_removed_is_the_whole_model(cli: Cli, tiny: Path, text_file: Path) -> None:
    ask = "perplexity", "--model", tiny, "--corpus", text_file, "--window", 32
    answer = cli(*ask, "--compensate", "refit")[1]
    assert answer["compensation"]["perplexity"] == answer["perplexity"] and answer["compensation"]["cuts"] == []
    assert cli(*ask)[1]["compensation"] is None


def test_what_cannot_be_compensated_is_refused_by_name(cli: Cli, tiny: Path, text_file: Path) -> None:
    ask = "perplexity", "--model", tiny, "--corpus", text_file, "--window", 32, "--compensate", "refit"
    for options, words in (
        (("--players", "sublayer", "--remove", "3a"), "only half"),
        (("--remove", "3", "--fit", 3), "3 sequences are too few"),
        (("--remove", "3", "--fit", 0), "0 sequences"),
        (("--remove", "99"), "99"),
        (("--remove", "3", "--windows", 99_999), "99,999 x 32"),
    ):
        status, answer, errors = cli(*ask, *options)
        assert status == 1 and words in answer["error"]["message"], options
        assert "Compensating" not in errors, "before any fit"
