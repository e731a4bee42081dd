"""How many entries a tokenizer's files have, counted before one is built of them: each takes far more memory than text.

The largest vocabularies have some 260,000 entries, and some 510,000 merges.
"""

import json
from pathlib import Path
from typing import Any

from core.errors import UnsupportedModel
from core.files import most_values

_MOST = {"vocab": 1_000_000, "merges": 2_000_000, "added_tokens": 200_000}
# A merge is a pair of texts in a list, and a piece is a text and a number.
_VALUES, _LINES, _PIECES = 8_000_000, 2_000_000, 1_000_000
# Fields of a protocol buffer's message: a number, 8 bytes, bytes behind their length, 4 bytes.
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def check_vocabulary(folder: Path) -> None:
    """UnsupportedModel, with the file and what of it there are too many of."""
    for name in (
        "tokenizer.json",
        "vocab.json",
        "added_tokens.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ):
        if (folder / name).is_file():
            _check_json(folder / name)
    for file in (*folder.glob("*.txt"), *folder.glob("*.tiktoken")):
        if file.is_file() and (lines := file.read_bytes().count(b"\n")) > _LINES:
            raise _refusal(file, lines, "lines", _LINES)
    for file in folder.glob("*.model"):
        if file.is_file():
            _check_pieces(file)


def _check_json(file: Path) -> None:
    text = file.read_bytes()
    if (values := most_values(text)) > _VALUES:
        raise _refusal(file, values, "values", _VALUES)
    if values <= min(_MOST.values()):
        return  # too few for any of them
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return  # whoever builds the tokenizer says what is wrong
    tokenizer = content if isinstance(content, dict) else {}
    inner = tokenizer.get("model")
    for part in (tokenizer, inner if isinstance(inner, dict) else {}):
        for name, most in _MOST.items():
            if _count(part.get(name)) > most:
                raise _refusal(file, _count(part[name]), name, most)
    if file.name != "tokenizer.json" and len(tokenizer) > _MOST["vocab"]:
        raise _refusal(file, len(tokenizer), "entries", _MOST["vocab"])


def _count(entries: Any) -> int:
    """Entries of a list or an object, or lines of a text."""
    if isinstance(entries, str):
        return entries.count("\n")
    return len(entries) if isinstance(entries, list | dict) else 0


def _check_pieces(file: Path) -> None:
    """The pieces of a sentencepiece model are its message's first field; another file has none of that number."""
    content, place, pieces = file.read_bytes(), 0, 0
    while place < len(content):
        tag, place = _number(content, place)
        kind = tag & 7
        if kind == _BYTES:
            length, place = _number(content, place)
            place += length
        elif kind == _NUMBER:
            _, place = _number(content, place)
        elif kind in (_EIGHT, _FOUR):
            place += 8 if kind == _EIGHT else 4
        else:
            return  # no such message
        pieces += tag >> 3 == 1
        if pieces > _PIECES:
            raise _refusal(file, pieces, "pieces", _PIECES)


def _number(content: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place behind it; the end for one that is cut off."""
    found = 0
    for index, byte in enumerate(content[place : place + 10]):
        found |= (byte & 127) << 7 * index
        if byte < 128:
            return found, place + index + 1
    return 0, len(content)


def _refusal(file: Path, count: int, what: str, most: int) -> UnsupportedModel:
    return UnsupportedModel(
        f"{file.name} has {count:,} {what} or more, and no tokenizer has over {most:,}.",
        "Copy the tokenizer's files again, or take those of the model that this one was made from.",
    )
