"""Tokenizers' files that would build to gigabytes: counted, and refused by name, before anything is built of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint import vocabulary
from core.checkpoint.vocabulary import check_vocabulary
from core.errors import UnsupportedModel

Write = Callable[[Path], object]
SMALL = {"vocab": 300, "merges": 300, "added_tokens": 300}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that small files reach."""
    monkeypatch.setattr(vocabulary, "_MOST", SMALL)
    monkeypatch.setattr(vocabulary, "_VALUES", 5000)
    monkeypatch.setattr(vocabulary, "_LINES", 300)
    monkeypatch.setattr(vocabulary, "_PIECES", 300)


def tokenizer(**model: object) -> Write:
    return lambda folder: (folder / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": []}))


def pieces(count: int) -> Write:
    """A sentencepiece model: its pieces, and fields of every other kind between them."""
    other = b"\x10\x96\x01" + b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\x12\x02hi"
    return lambda folder: (folder / "tokenizer.model").write_bytes((b"\x0a\x03\x0a\x01a" + other) * count)


TOO_MANY: dict[str, tuple[Write, str]] = {
    "vocabulary": (tokenizer(vocab={str(n): n for n in range(301)}), "tokenizer.json has 301 vocab"),
    "unigram": (tokenizer(vocab=[[str(n), 0.1] for n in range(301)]), "tokenizer.json has 301 vocab"),
    "merges": (tokenizer(merges=[[str(n), "a"] for n in range(301)]), "tokenizer.json has 301 merges"),
    "merges as texts": (tokenizer(merges=["a b"] * 301), "tokenizer.json has 301 merges"),
    "added": (
        lambda folder: (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"id": 1}] * 301})),
        "tokenizer.json has 301 added_tokens",
    ),
    "values": (tokenizer(else_=[[0]] * 5001), "tokenizer.json has .* values or more"),
    "brackets": (lambda folder: (folder / "tokenizer.json").write_text("[" * 9000), "tokenizer.json has 9,001 values"),
    "vocab.json": (
        lambda folder: (folder / "vocab.json").write_text(json.dumps({str(n): n for n in range(301)})),
        "vocab.json has 301 entries",
    ),
    "merges.txt": (lambda folder: (folder / "merges.txt").write_text("a b\n" * 301), "merges.txt has 301 lines"),
    "vocab.txt": (lambda folder: (folder / "vocab.txt").write_text("a\n" * 301), "vocab.txt has 301 lines"),
    "pieces": (pieces(301), "tokenizer.model has 301 pieces"),
}


@pytest.mark.parametrize(("write", "said"), TOO_MANY.values(), ids=list(TOO_MANY))
def test_too_many_entries_are_refused(write: Write, said: str, tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UnsupportedModel, match=said) as refused:
        check_vocabulary(tmp_path)
    assert "Copy the tokenizer" in refused.value.hint


@pytest.mark.parametrize(
    "write",
    [
        save_tokenizer,
        tokenizer(vocab={str(n): n for n in range(300)}, merges=[["a", "b"]] * 300),
        pieces(300),
        lambda folder: (folder / "tokenizer.model").write_bytes(b"\xff" * 999),
        lambda folder: (folder / "tokenizer.model").write_bytes(b"\x0a\xff\xff\xff\xff\x7fcut"),
        lambda folder: (folder / "tokenizer.json").write_text('{"model": 3, "added_tokens": "' + "," * 400 + '"}'),
        lambda folder: (folder / "tokenizer.json").write_text("," * 400),
    ],
)
def test_what_is_no_larger_goes_to_the_library(write: Write, tmp_path: Path) -> None:
    write(tmp_path)
    check_vocabulary(tmp_path)


def test_the_limits_leave_room_for_the_largest_that_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As many entries as the tokenizer of Gemma 3 has."""
    monkeypatch.undo()
    merges = [["a", "b"]] * 514_906
    tokenizer(vocab={str(n): n for n in range(262_145)}, merges=merges)(tmp_path)
    check_vocabulary(tmp_path)
