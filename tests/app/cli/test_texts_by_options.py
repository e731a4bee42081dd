"""--field and --protocol, from the options to what is stored; texts are refused before the model is read."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cache import queries
from cache.database import Database
from core.errors import CorpusError
from core.records.presets import PRESETS, under_preset
from core.records.reader import from_fields
from core.records.spec import RunSpec
from tests.support.commands import Cli

RUN = ("--sequences", 4, "--window", 16, "--masks", 40, "--no-search")


@pytest.fixture
def chats(tmp_path: Path, text_file: Path) -> Path:
    """The text of `text_file` under another name than text, a few hundred characters a row."""
    text = text_file.read_text()
    rows = [{"content": text[start : start + 500], "id": start} for start in range(0, len(text), 500)]
    file = tmp_path / "chats.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_field_goes_with_a_run(cli: Cli, tiny: Path, chats: Path, cache_file: Path, tmp_path: Path) -> None:
    status, refused, _ = cli("run", "--model", tiny, "--corpus", chats, *RUN)
    assert status == 1 and refused["error"]["kind"] == "CorpusError"
    assert "--field content" in refused["error"]["hint"]
    status, run, errors = cli("run", "--model", tiny, "--corpus", chats, "--field", "content", *RUN)
    assert status == 0, errors
    assert run["protocol"]["field"] == "content" and run["protocol"]["preset"] == ""
    [stored] = queries.runs(Database(cache_file))
    assert stored.spec.field == "content"
    status, exported, errors = cli("export", run["run"], "--count", 2, "--out", tmp_path / "small")
    assert status == 0, errors
    assert exported["protocol"]["field"] == "content" and exported["protocol"]["split"] == "evaluation"
    again = "export", "--recipe", tmp_path / "small" / "quorum.json", "--out", tmp_path / "again"
    status, once_more, errors = cli(*again)
    assert status == 0, errors
    assert once_more["perplexity"] == exported["perplexity"]


def test_the_papers_perplexity_is_that_of_plain_transformers(cli: Cli, tiny: Path, text_file: Path) -> None:
    asked = "--model", tiny, "--corpus", text_file, "--protocol", "paper", "--dtype", "float32"
    status, found, errors = cli("perplexity", *asked)
    assert status == 0, errors
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModelForCausalLM.from_pretrained(tiny)
    ids = [tokenizer.bos_token_id, *tokenizer(text_file.read_text(), add_special_tokens=False)["input_ids"]]
    windows = torch.tensor(ids[: len(ids) // 128 * 128]).view(-1, 128)
    with torch.no_grad():
        logits = model(windows).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
    assert found["perplexity"] == pytest.approx(float(np.exp(losses.numpy())), rel=1e-5)
    assert found["protocol"] | {"tokens": ""} == {
        "corpus": text_file.name,
        "split": "whole",
        "window": 128,
        "stride": 128,
        "bos": "corpus",
        "sequences": len(windows),
        "seed": None,
        "tokens": "",
        "field": "",
        "preset": "paper",
    }


@pytest.mark.parametrize("also", [("--window", 64), ("--bos", "none")])
def test_a_protocol_is_not_half_kept(cli: Cli, tiny: Path, text_file: Path, also: tuple[object, ...]) -> None:
    for command in ("perplexity", "run"):
        asked = command, "--model", tiny, "--corpus", text_file, "--protocol", "paper", *also
        status, found, _ = cli(*asked)
        assert status == 1 and "The protocol paper has windows of 128 tokens" in found["error"]["message"]


def test_what_a_protocol_settles_of_a_run() -> None:
    assert under_preset(RunSpec(preset="paper")) == RunSpec(preset="paper", window=128, sequences=10)
    for name in ("2048", "4096"):
        assert under_preset(RunSpec(preset=name)) == RunSpec(preset=name, window=int(name), sequences=128)
        assert under_preset(RunSpec(preset=name, sequences=7)).sequences == 7
        assert under_preset(under_preset(RunSpec(preset=name))) == under_preset(RunSpec(preset=name))
    assert under_preset(RunSpec(window=7, bos="none")) == RunSpec(window=7, bos="none")
    with pytest.raises(CorpusError, match="no protocol 512"):
        under_preset(RunSpec(preset="512"))
    assert set(PRESETS) == {"paper", "2048", "4096"}


def test_specifications_without_a_field_are_read() -> None:
    earlier = asdict(RunSpec(corpus="a.txt", seed=3))
    del earlier["field"], earlier["preset"]
    assert from_fields(RunSpec, earlier) == RunSpec(corpus="a.txt", seed=3)


def test_a_text_is_refused_before_the_model_is_looked_for(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "half.jsonl").write_text('{"text": "\\ud800"}')
    for text, said in ((tmp_path / "half.jsonl", "half a character"), ("no/such/file.txt", "There is no corpus")):
        status, found, _ = cli("perplexity", "--model", tmp_path / "missing", "--corpus", text)
        assert status == 1 and said in found["error"]["message"]


def test_a_token_that_the_model_does_not_embed(cli: Cli, tiny: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    for saved in (model, tokenizer):
        saved.save_pretrained(tmp_path / "model")
    (tmp_path / "chat.txt").write_text("<|user|> Hello there. " * 50)
    (tmp_path / "late.txt").write_text("Hello there. " * 50 + "<|user|>")
    ask = "perplexity", "--model", tmp_path / "model", "--window", 16, "--windows", 4, "--corpus"
    status, found, _ = cli(*ask, tmp_path / "chat.txt")
    assert status == 1 and "'<|user|>'" in found["error"]["message"]
    assert cli(*ask, tmp_path / "late.txt")[0] == 0, "no window has it"
