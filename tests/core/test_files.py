"""Files of others are read within bounds: what has no end, no measure or no form is refused, without waiting for it."""

import os
from pathlib import Path

import pytest

from core import files
from core.files import content_of, json_of


def test_what_is_within_bounds_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"é": [1, 2]}', encoding="utf-8")
    assert json_of(file) == {"é": [1, 2]}
    assert content_of(file, file.stat().st_size) == file.read_bytes()
    (tmp_path / "link.json").symlink_to(file)
    assert json_of(tmp_path / "link.json") == {"é": [1, 2]}


def test_what_has_no_bound_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(3 * 2**30)
    for name, said in (("pipe", "no regular file"), ("device", "no regular file"), (".", "no regular file")):
        with pytest.raises(ValueError, match=said):
            content_of(tmp_path / name, 100)
    with pytest.raises(ValueError, match="3,221,225,472 bytes"):
        json_of(tmp_path / "sparse")
    with pytest.raises(FileNotFoundError):
        json_of(tmp_path / "missing")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b"[" + b"0," * 100 + b"0]", "up to 102 values"),
        (b"[1, 2", "delimiter"),
        (b'"\xff"', "utf-8"),
        (b"9" * 5000, "4300 digits"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_is_too_much_or_none(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        json_of(file, most=2_000_000 if said == "nested too deep" else 101)


def test_a_file_whose_size_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of /proc have it."""
    (tmp_path / "a").write_bytes(b"tale" * 10)
    monkeypatch.setattr(files, "_regular", lambda found: 0)
    with pytest.raises(ValueError, match="it has 21 bytes"):
        content_of(tmp_path / "a", 20)
    assert content_of(tmp_path / "a", 40) == b"tale" * 10
