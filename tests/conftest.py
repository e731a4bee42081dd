"""What tests are given: small models and a text made once, commands, servers, browsers, and the server's jobs."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page
from transformers import AutoModelForCausalLM, LlamaConfig

from app.worker import client
from app.worker.client import Jobs
from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint.checkpoint import locate
from core.model.model import LoadedModel, load
from core.records.spec import RunSpec
from tests.support import commands
from tests.support.browser import Server, chromium, own_home, serving, visitor
from tests.support.commands import Cli
from tests.support.finished import Archive, Finished
from tests.support.models import SMALL, randomised, save_model
from tests.support.once import Once
from tests.support.workers import Nursery

# shap has functions compiled when it first calls them, which takes longer than all that tests ask of them.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders whose files take minutes each come first: in the end one process waits for the last file of another."""
    items.sort(key=lambda item: item.path.parent.name not in {"audit", "browser", "models", "notebook"})


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """What all processes of this session share."""
    base = tmp_path_factory.getbasetemp()
    return Once((base if worker_id == "master" else base.parent) / "once")


@pytest.fixture(scope="session")
def tiny(once: Once) -> Path:
    """A folder with a random Llama of eight layers."""
    return once.made("tiny", save_model)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A random Llama of its own, whose rows have 64 and 128 weights, as groups of four bits need them."""
    torch.manual_seed(0)
    folder, config = tmp_path / "wide", LlamaConfig(**{**SMALL, "hidden_size": 64, "intermediate_size": 128})
    randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture
def copa(tmp_path: Path) -> Path:
    """A folder with six items of the task copa."""
    row = {"choices": ["of clouds", "of iron"]}
    rows = [{**row, "context": f"{number} days it rained because", "answer": number % 2} for number in range(6)]
    (tmp_path / "copa.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


@pytest.fixture(scope="session")
def tiny_loaded(tiny: Path) -> LoadedModel:
    return load(locate(str(tiny)), "float32", "cpu")


@pytest.fixture(scope="session")
def text_file(once: Once) -> Path:
    """A text of about 70,000 bytes."""

    def write(path: Path) -> None:
        path.write_text(" ".join(f"The {n}th traveller told a tale of {n * n} winters." for n in range(1500)))

    return once.made("tale.txt", write)


@pytest.fixture
def spec(tiny: Path, text_file: Path) -> RunSpec:
    return RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50)


@pytest.fixture(scope="session")
def archive(once: Once) -> Archive:
    return Archive(once)


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    return tmp_path / "results.duckdb"


@pytest.fixture
def finished(archive: Archive, cache_file: Path) -> Finished:
    """Puts finished runs into the results file in place of all that it holds, and gives their names."""
    return partial(archive.put, cache_file)


@pytest.fixture
def cli(cache_file: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command with --json in this process, and gives (exit status, the object, standard error)."""
    return commands.in_this_process(cache_file, capsys)


@pytest.fixture
def program(cache_file: Path) -> Cli:
    """The same as a user does it: `python -m app …` in a process of its own, which takes seconds to start."""
    return commands.in_a_process(cache_file)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def shared(cache_file: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The server's jobs, on an empty results file; their worker starts at once."""
    monkeypatch.setattr(client, "subprocess", nursery)
    monkeypatch.setenv("QUORUM_CACHE", str(cache_file))
    client.shared.cache_clear()
    yield client.shared()
    client.shared().stop()
    client.shared.cache_clear()


@pytest.fixture(scope="session")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, archive: Archive, tiny: Path, text_file: Path
) -> Iterator[Server]:
    """One server for all browser tests that start with two finished runs of the small model; a home of its own."""
    file = tmp_path_factory.mktemp("dashboard") / "results.duckdb"
    spec = RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50)
    archive.put(file, spec, replace(spec, seed=1))
    with serving(file, QUORUM_HOME=str(file.parent)) as server:
        yield server


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all that look at the example that ships; nobody has it run anything."""
    file = tmp_path_factory.mktemp("example") / "results.duckdb"
    with serving(file, QUORUM_HOME=own_home(file.parent)) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A visitor in the light theme, or in that of the test's parameter."""
    with visitor(browser, getattr(request, "param", "light")) as page:
        yield page


@pytest.fixture
def other(browser: Browser) -> Iterator[Page]:
    """A second person at the same server."""
    with visitor(browser, "dark") as page:
        yield page
