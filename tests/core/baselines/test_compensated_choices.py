"""`compare --compensate` against exported folders in plain transformers; stopped and asked again; refused in time."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cache.database import Database
from cache.store import Store
from core.baselines.compare import Match
from core.baselines.compensated import refitted
from core.errors import QuorumError
from core.records.events import Compared, Event, Stage
from core.records.plans import Comparison
from core.records.spec import RunSpec
from core.run.engine import Engine
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.models import save_model

MATCH = Match(("shortgpt", "sleb"), (1, 3), compensate="refit", fit=24)


def events(spec: RunSpec, cache_file: Path, match: Match = MATCH) -> Iterator[Event]:
    return Engine(Store(Database(cache_file))).compare(replace(spec, dtype="float32"), match)


def ended(spec: RunSpec, cache_file: Path, match: Match = MATCH) -> Comparison:
    *_, last = events(spec, cache_file, match)
    assert isinstance(last, Compared)
    return last.comparison


@pytest.mark.parametrize("how", ["refit", "scale"])
def test_each_is_what_its_exported_folder_gives_in_plain_transformers(
    how: str, cli: Cli, spec: RunSpec, finished: Finished, tmp_path: Path, text_file: Path
) -> None:
    [run] = finished(replace(spec, dtype="float32"))
    small = ("--model", spec.model, "--corpus", text_file, "--sequences", 4, "--window", 16, "--dtype", "float32")
    asked = ("--methods", "shortgpt,sleb", "--counts", "3", "--compensate", how, "--fit", 64)
    status, found, errors = cli("compare", *small, *asked)
    assert status == 0, errors
    tokenizer = AutoTokenizer.from_pretrained(spec.model)
    tokens = tokenizer(text_file.read_text(), add_special_tokens=False)["input_ids"]
    half = torch.tensor(tokens[len(tokens) // 2 :])
    windows = half[: len(half) // 16 * 16].view(-1, 16)
    judge = windows[torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))][:16]
    assert found["compensation"] == how and found["fitted"]["split"] == "calibration"
    changed = 0
    for method in found["methods"]:
        [plain], [after] = method["plans"], method["compensated"]
        removed = ",".join(map(str, after["removed"]))
        assert after["removed"] == plain["removed"] and after["plain"] == plain["perplexity"]
        for kind, expected in (("none", after["plain"]), (how, after["perplexity"])):
            out = tmp_path / f"{method['method']}-{kind}"
            fit = ("--fit", 64) if kind == how else ()
            status, _, errors = cli("export", run, "--remove", removed, "--compensate", kind, *fit, "--out", out)
            assert status == 0, errors
            model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
            with torch.inference_mode():
                losses = [model(input_ids=one[None], labels=one[None]).loss.item() for one in judge]
            assert expected == pytest.approx(math.exp(np.mean(losses)), rel=1e-4)
        assert after["low"] <= after["perplexity"] <= after["high"]
        assert any(cut["accepted"] for cut in after["cuts"]) == (after["perplexity"] != pytest.approx(after["plain"]))
        changed += after["perplexity"] != after["plain"]
    assert changed, "a fit is accepted, so that there is something to see"


def test_stopped_anywhere_it_goes_on_and_nothing_is_fitted_twice(
    spec: RunSpec, cache_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ended(spec, tmp_path / "whole.duckdb")
    fits, fit = [], refitted.compensate
    monkeypatch.setattr(refitted, "compensate", lambda *asked: [fits.append(asked[2]), fit(*asked)][1])
    stages = 0
    for event in (steps := events(spec, cache_file)):
        stages += isinstance(event, Stage) and event.text.startswith("refit after")
        if stages == 3:  # of four: two are stored
            steps.close()
    assert len(fits) == 2
    assert ended(spec, cache_file) == whole and len(fits) == 4
    assert ended(spec, cache_file) == whole and len(fits) == 4, "all of it is known"
    ended(spec, cache_file, replace(MATCH, fit=16))
    assert len(fits) == 8, "other windows are another fit"


def test_what_cannot_be_compensated_is_refused_before_anybody_chooses(
    spec: RunSpec, cache_file: Path, tmp_path: Path
) -> None:
    normed = save_model(tmp_path / "normed", "gemma3")
    for asked, match, words in (
        (replace(spec, players="sublayer"), Match(("sleb",), (1,), compensate="scale"), "plays halves"),
        (spec, replace(MATCH, fit=3), "3 sequences are too few"),
        (spec, replace(MATCH, fit=99_999), "too short"),
        (replace(spec, model=str(normed)), MATCH, "cannot be compensated"),
    ):
        told = []
        with pytest.raises(QuorumError) as refusal:
            for event in events(asked, cache_file, match):
                told += [event.text] if isinstance(event, Stage) else []
        assert words in refusal.value.message and not any("chooses" in text for text in told)
