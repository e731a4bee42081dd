"""Commands as tests give them: in this process, or as a user does it, in one of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from app.root import ROOT

Answer = tuple[int, dict[str, Any], str]  # the exit status, the object of --json, and standard error
Cli = Callable[..., Answer]


def in_this_process(cache_file: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object, cache: Path | None = None) -> Answer:
        status = main([*map(str, arguments), "--json", "--cache", str(cache or cache_file)])
        out, errors = capsys.readouterr()
        return status, _parsed(out), errors

    return call


def in_a_process(cache_file: Path) -> Cli:
    def call(*arguments: object, cache: Path | None = None, **environment: str) -> Answer:
        command = [sys.executable, "-m", "app", *map(str, arguments), "--json", "--cache", str(cache or cache_file)]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
        )
        return done.returncode, _parsed(done.stdout), done.stderr

    return call


def _parsed(answer: str) -> dict[str, Any]:
    """The object that is all of an answer."""
    parsed: dict[str, Any] = json.loads(answer, parse_constant=_not_strict) if answer else {}
    return parsed


def _not_strict(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
