"""The form of a run tells what a model and a text are, and what is wrong with them, before anything starts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.worker.client import Jobs
from core.checkpoint.checkpoint import locate
from core.records.spec import RunSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli
from tests.support.pages import button, looked_at, open_page, said


def form(spec: RunSpec) -> AppTest:
    """The page when what is asked for has been looked at."""
    page = open_page()
    page.selectbox(key="model").set_value(spec.model)
    page.selectbox(key="corpus").set_value(spec.corpus)
    for label, value in (("Coalitions", 50), ("Sequences", spec.sequences), ("Tokens in a sequence", spec.window)):
        next(field for field in page.number_input if field.label == label).set_value(value)
    return looked_at(page)


def test_a_right_one_in_a_line_each(shared: Jobs, spec: RunSpec) -> None:
    page = form(spec)
    assert "llama · 8 layers · " in said(page) and not page.error
    windows = cut(read(spec.corpus, "calibration"), locate(spec.model).tokenizer, replace(spec.text(), sequences=None))
    assert f" tokens for runs: {windows.protocol.sequences:,} sequences of 16" in said(page)
    assert not button(page, "Start run").disabled


def test_a_device_that_is_not_there_is_refused_at_once(shared: Jobs) -> None:
    """The bundled model on its own text needs no look; another device than usual does."""
    page = open_page()
    next(field for field in page.text_input if field.label == "Device").set_value("cuda:7")
    page = looked_at(page)
    assert "This machine has no device `cuda:7`." in said(page) and button(page, "Start run").disabled


def test_looked_at_once_as_long_as_the_files_stay(
    shared: Jobs, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "short.txt"
    text.write_text("A tale. " * 40)
    asked: list[str] = []
    ask = shared.ahead

    def ahead(asker: str, what: Any, *rest: Any, **more: Any) -> Any:
        asked.append(what)
        return ask(asker, what, *rest, **more)

    monkeypatch.setattr(shared, "ahead", ahead)
    page = form(replace(spec, corpus=str(text)))
    page.run()
    looked_at(open_page())
    assert asked == ["look"]
    text.write_text("A longer tale. " * 400)
    looked_at(page.run())
    assert asked == ["look", "look"] and "3,000 tokens for runs" in said(page)


def refused(page: AppTest) -> str:
    assert button(page, "Start run").disabled
    return said(page)


@pytest.mark.parametrize("wrong", ["nothing", "no model", "no config", "damaged", "other kind", "encoder"])
def test_a_wrong_model_is_refused_as_by_the_command_line(
    shared: Jobs, cli: Cli, tiny: Path, spec: RunSpec, tmp_path: Path, wrong: str
) -> None:
    folder = tmp_path / "[a](b) **model**"
    if wrong not in ("nothing", "no model"):
        shutil.copytree(tiny, folder)
    config = folder / "config.json"
    match wrong:
        case "no model":
            folder.mkdir()
        case "no config":
            config.unlink()
        case "damaged":
            weights = folder / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-5])
        case "other kind":
            config.write_text(json.dumps({"model_type": "unheard-of"}))
        case "encoder":
            config.write_text(json.dumps({**json.loads(config.read_text()), "architectures": ["BertForMaskedLM"]}))
    page = form(replace(spec, model=str(folder)))
    _, answer, _ = cli("run", "--model", str(folder), "--corpus", spec.corpus)
    assert words(answer) in shown(refused(page))


@pytest.mark.parametrize("wrong", ["none", "empty", "bytes", "rows", "too short", "kind"])
def test_a_wrong_text_is_refused_as_by_the_command_line(
    shared: Jobs, cli: Cli, spec: RunSpec, tmp_path: Path, wrong: str
) -> None:
    text = tmp_path / {"rows": "_a_.jsonl", "kind": "a.pdf"}.get(wrong, "_a_.txt")
    held = {"empty": b"", "bytes": b"\xff\xfe\x00", "rows": b'{"texts": "a"}\n', "too short": b"tale " * 20}
    if wrong != "none":
        text.write_bytes(held.get(wrong, b"a tale"))
    page = form(replace(spec, corpus=str(text)))
    given = ("--sequences", str(spec.sequences), "--window", str(spec.window), "--masks", "50")
    _, answer, _ = cli("run", "--model", spec.model, "--corpus", str(text), *given)
    assert words(answer) in shown(refused(page))


def words(answer: dict[str, Any]) -> str:
    """The reason that the command line gives."""
    return shown(f"{answer['error']['message']} {answer['error']['hint']}")


def shown(markdown: str) -> str:
    """What is read of Markdown: no signs of code and weight."""
    return " ".join(markdown.replace("`", "").replace("**", "").split())
