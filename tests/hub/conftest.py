"""A Hub for each test, with this process sent to it, and a small model in parts that it may hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.hub.client import point
from tests.support.hub.server import Hub, serving
from tests.support.once import Once


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub; this process asks it, and keeps what it gets below tmp_path."""
    with serving() as hub:
        point(monkeypatch, hub, tmp_path / "hf")
        yield hub


@pytest.fixture(scope="session")
def parts(once: Once, tiny: Path) -> Path:
    """The small Llama of eight layers in several files, with an index."""

    def save(folder: Path) -> None:
        AutoModelForCausalLM.from_pretrained(tiny).save_pretrained(folder, max_shard_size="100KB")
        AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)

    return once.made("parts", save)
