"""A model whose rows groups divide, and the libraries that make test installs beside."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks.byte_tokenizer import save_tokenizer
from tests.support.models import SMALL, randomised

_INSTALLED = Path(sys.prefix) / "tools"
_WIDTH, _INNER = 64, 128


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A random Llama whose rows have 64 and 128 weights."""
    torch.manual_seed(0)
    folder, config = tmp_path / "wide", LlamaConfig(**{**SMALL, "hidden_size": _WIDTH, "intermediate_size": _INNER})
    randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / "tools").mkdir(parents=True)
    monkeypatch.setenv("QUORUM_HOME", str(folder))
    return folder


@pytest.fixture
def installed(home: Path) -> Callable[[str], None]:
    """Puts a library into the side folders of a home of its own, or skips the test where there is none."""

    def put(library: str) -> None:
        tool = _INSTALLED / library
        if not any(tool.glob(f"{library.replace('-', '_')}-*.dist-info")):
            pytest.skip(f"pip install --no-deps --target .venv/tools/{library} -r requirements-{library}.txt")
        (home / "tools" / library).symlink_to(tool)

    return put
