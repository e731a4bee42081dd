"""Small models that tests make themselves, and the real one. Nothing is downloaded."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from app.__main__ import main
from app.worker import client
from app.worker.client import Jobs
from benchmarks.byte_tokenizer import save_tokenizer
from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.export.recipe import Recipe
from core.model.model import LoadedModel, load
from core.records.spec import RunSpec
from core.run.engine import Engine
from tests.support.browser import ROOT, Server, chromium, serving, visitor

LAYERS = 8
SMALL: dict[str, Any] = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
}

# Layers that differ (sliding and full attention), biases, learned positions: what skipping has to get right.
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**SMALL, tie_word_embeddings=True),
    "qwen2": lambda: Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=4, max_window_layers=3),
    "gemma3": lambda: Gemma3TextConfig(**SMALL, head_dim=8, sliding_window=4),
    "gpt2": lambda: GPT2Config(
        vocab_size=258, n_embd=32, n_layer=LAYERS, n_head=4, n_positions=256, bos_token_id=256, eos_token_id=257
    ),
}


def save_model(folder: Path, family: str = "llama", seed: int = 0) -> Path:
    """A random model of a family, with weights large enough that every layer matters, and its tokenizer."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(CONFIGS[family](), dtype=torch.float32)
    randomised(model).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def randomised(model: PreTrainedModel) -> PreTrainedModel:
    """The model with matrices large enough that every layer matters."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.12)
    return model


def recipe_of(loaded: LoadedModel, removed: Sequence[int]) -> Recipe:
    """The recipe of an export that no run has found."""
    info = loaded.info
    removed_names = tuple(info.players[place] for place in sorted(removed))
    return Recipe(RunSpec(model=info.source), info.fingerprint, info.layers, removed_names, "ab12cd34")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama of eight layers."""
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_loaded(tiny: Path) -> LoadedModel:
    return load(locate(str(tiny)), "float32", "cpu")


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of about 70,000 bytes."""
    path = tmp_path_factory.mktemp("text") / "tale.txt"
    path.write_text(" ".join(f"The {n}th traveller told a tale of {n * n} winters." for n in range(1500)))
    return path


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory, tiny: Path, text_file: Path) -> Iterator[Server]:
    """One server for all browser tests that start with two finished runs of the small model."""
    file = tmp_path_factory.mktemp("dashboard") / "results.duckdb"
    spec = RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50)
    for seed in (0, 1):
        list(Engine(Store(Database(file))).run(replace(spec, seed=seed)))
    with serving(file) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A visitor in the light theme, or in that of the test's parameter."""
    with visitor(browser, getattr(request, "param", "light")) as page:
        yield page


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    return tmp_path / "results.duckdb"


Cli = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def cli(cache_file: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command with --json in this process, and gives (exit status, the object, standard error)."""

    def call(*arguments: object, cache: Path | None = None) -> tuple[int, dict[str, Any], str]:
        status = main([*map(str, arguments), "--json", "--cache", str(cache or cache_file)])
        out, errors = capsys.readouterr()
        return status, _parsed(out), errors

    return call


@pytest.fixture
def program(cache_file: Path) -> Cli:
    """The same as a user does it: `python -m app …` in a process of its own, which takes seconds to start."""

    def call(*arguments: object, cache: Path | None = None, **environment: str) -> tuple[int, dict[str, Any], str]:
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


@pytest.fixture
def shared(cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The server's jobs, on an empty results file."""
    monkeypatch.setenv("QUORUM_CACHE", str(cache_file))
    client.shared.cache_clear()
    yield client.shared()
    client.shared().stop()
    client.shared.cache_clear()


@pytest.fixture
def spec(tiny: Path, text_file: Path) -> RunSpec:
    return RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50)
