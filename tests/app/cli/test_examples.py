"""The example of each command's help does what it says, in one folder, one after the other."""

import json
import os
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

from app.root import PROGRAM
from core.records.spec import RunSpec
from tests.support.cli_reference import commands
from tests.support.commands import Cli
from tests.support.finished import Finished

# What has to be there before another example can do its work.
FIRST = ("run", "evaluations export")
ELSEWHERE = ("evaluations import", "evaluations imports", "evaluations remove")  # in another results file


def test_every_example_runs(
    cli: Cli,
    finished: Finished,
    spec: RunSpec,
    tiny: Path,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[list[str]] = []

    def execve(_: str, server: list[str], __: dict[str, str]) -> NoReturn:
        started.append(server)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    (tmp_path / "own.txt").write_text(text_file.read_text()[::-1])
    (tmp_path / "items").mkdir()
    items = [
        {"context": f"It rained {number} days, therefore", "choices": ["the road was wet.", "it shone."], "answer": 0}
        for number in range(4)
    ]
    (tmp_path / "items" / "copa.jsonl").write_text("\n".join(map(json.dumps, items)))
    finished(spec)
    every = commands()
    if find_spec("peft") is None:
        del every["heal"]
    for name in sorted(every, key=lambda name: name not in FIRST):
        epilog = every[name].epilog
        assert epilog is not None
        typed = shlex.split(epilog.removeprefix(f"example: {PROGRAM} "))
        assert typed[: name.count(" ") + 1] == name.split()
        if "--model" in every[name]._option_string_actions and name not in ("export", "tasks"):
            # The bundled model and its text take minutes.
            texts = ["--corpus", str(text_file)] if name != "matrix" else ["--corpora", f"{text_file},own.txt"]
            typed += ["--model", str(tiny), *texts, "--window", "16"]
        try:
            status, answer, errors = cli(*typed, cache=tmp_path / "other.duckdb" if name in ELSEWHERE else None)
        except SystemExit as ended:
            assert name == "serve" and ended.code == 0
            continue
        if name == "quantise":  # what rounds is not installed there, which its own tests are about
            assert status == 1 and "requirements-auto-round.txt" in answer["error"]["hint"]
            continue
        # A run of so few windows does not hold all that it claims.
        assert status == 0 or (name == "audit" and status == 1 and answer["verdict"]), (typed, errors)
        assert answer
    [server] = started
    assert "--server.port=8502" in server and (tmp_path / "smaller" / "model.safetensors").exists()
    shutil.rmtree(tmp_path / "smaller")
