"""`--compensate` on the command line: what is told is what plain transformers measures, on text no fit has seen."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cache import queries
from cache.database import Database
from cache.store import Store
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished


@pytest.mark.parametrize("how", ["scale", "refit", "logits"])
def test_both_perplexities_are_told_on_text_that_the_fit_has_not_seen(
    how: str, cli: Cli, tiny: Path, text_file: Path
) -> None:
    ask = "perplexity", "--model", tiny, "--corpus", text_file, "--window", 32, "--dtype", "float32", "--remove", "1,4"
    status, answer, errors = cli(*ask, "--compensate", how, "--fit", 32)
    assert status == 0 and "Compensating cut 2 of 2" in errors
    done = answer["compensation"]
    assert answer["protocol"]["split"] == "evaluation" and done["fitted"]["split"] == "calibration"
    assert done["how"] == how and done["fitted"]["sequences"] == 32 and done["held"] == 4
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
    for command in (("perplexity", "--remove", "3"), ("compare", "--methods", "random", "--counts", "1")):
        status, answer, errors = cli(*command, *ask[1:5], "--fit", 32)
        assert status == 1 and "compensat" in answer["error"]["message"] + answer["error"]["hint"], command


def test_a_search_takes_what_is_best_after_it(cli: Cli, spec: RunSpec, finished: Finished) -> None:
    [run] = finished(replace(spec, dtype="float32"))
    ask = "select", run, "--count", 2, "--most", 3, "--compensate", "refit", "--fit", 24
    status, answer, errors = cli(*ask)
    assert status == 0 and "Compensating finalist 3 of 3 without 2" in errors, errors
    found = answer["compensated"]
    assert found["how"] == "refit" and found["held"] == 3 and found["fitted"]["sequences"] == 24 and found["spent"] > 0
    assert found["protocol"] == answer["protocol"] and found["fitted"]["tokens"] != found["protocol"]["tokens"]
    plans = found["plans"]
    assert len(plans) == 3 and [plan["chosen"] for plan in plans] == [True, False, False]
    assert plans[0]["perplexity"] == min(plan["perplexity"] for plan in plans)
    own = next(plan for plan in plans if plan["removed"] == answer["plans"][0]["removed"])
    assert own["plain"] == pytest.approx(answer["plans"][0]["perplexity"], rel=1e-5)
    status, again, errors = cli(*ask)
    assert again == answer and "Compensating" not in errors, "it is kept"
    assert cli("select", run, "--most", 3)[1]["compensated"] is None


def test_an_export_takes_the_plan_that_is_best_after_it(
    cli: Cli, spec: RunSpec, finished: Finished, cache_file: Path, tmp_path: Path
) -> None:
    [run] = finished(replace(spec, dtype="float32"))
    assert cli("select", run, "--count", 2, "--most", 2, "--compensate", "scale", "--fit", 24)[0] == 0
    store = Store(Database(cache_file))
    known = store.compensated(run, (), "scale", queries.find_selection(Database(cache_file), run).protocol.tokens)
    assert known is not None
    *others, last = known.judged
    store.save_compensated(run, replace(known, judged=(*others, replace(last, perplexity=1.0, low=0.9, high=1.1))))
    [plain] = cli("select", run, "--count", 2)[1]["plans"]
    assert last.removed != tuple(plain["removed"])
    for how, removed in (("scale", list(last.removed)), ("none", plain["removed"])):
        out = tmp_path / how
        status, answer, errors = cli("export", run, "--plan", 2, "--compensate", how, "--out", out)
        assert status == 0 and answer["removed"] == removed, errors


def test_no_search_begins_for_what_cannot_be_compensated(
    cli: Cli, spec: RunSpec, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(spec)
    ask = "select", run, "--count", 2, "--compensate", "scale"
    for options, words in ((("--fit", 3), "3 sequences are too few"), (("--fit", 99_999), "too short")):
        status, answer, errors = cli(*ask, *options)
        assert status == 1 and words in answer["error"]["message"] and "Searching" not in errors, options
    [halves] = finished(replace(spec, players="sublayer"))
    status, answer, errors = cli("select", halves, "--compensate", "refit")
    assert status == 1 and "plays halves" in answer["error"]["message"] and "Searching" not in errors
    with pytest.raises(SystemExit):
        cli("select", halves, "--for", "draft", *ask[4:])
    assert "--compensate goes with no" in capsys.readouterr().err
