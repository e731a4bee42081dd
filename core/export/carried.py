"""What an export takes from its parent's folder besides the weights: the terms, as text, and how it generates.

Whoever made the parent chose the names and the contents of its files. Only text goes along, under names that no
program runs.
"""

import json
import stat
from pathlib import Path

from transformers.utils import GENERATION_CONFIG_NAME

from core.checkpoint.headers import read_object

# What files with the terms of a model are called, with which endings, and how long they may be, in bytes.
_TERMS, _LONGEST = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "USE_POLICY"), 2**20
_TEXT, _MOST = {"", ".txt", ".md"}, 20


def copy_terms(parent: Path, folder: Path) -> list[str]:
    """Copies the files that state the terms of the parent, and tells their names.

    Regular files of valid text alone: what is a link, a device or a pipe, is long, or has another ending, stays.
    """
    copied: list[str] = []
    for file in sorted(parent.iterdir()):
        if file.name.upper().startswith(_TERMS) and file.suffix.lower() in _TEXT and file.name.isprintable():
            text = _text(file)
            if text is not None and len(copied) < _MOST:
                (folder / file.name).write_bytes(text)
                copied.append(file.name)
    return copied


def copy_generation(parent: Path, folder: Path) -> bool:
    """Writes the parent's settings of generation, if it has them, anew from what they say; code is never named.

    transformers would refuse to save some that it loads.
    """
    if not (parent / GENERATION_CONFIG_NAME).is_file():
        return False
    settings = {key: value for key, value in read_object(parent / GENERATION_CONFIG_NAME).items() if key != "auto_map"}
    (folder / GENERATION_CONFIG_NAME).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return True


def _text(file: Path) -> bytes | None:
    """A short regular file of UTF-8, or nothing; in the Hub's cache files are links to blobs beside the snapshot."""
    in_cache = file.parent.resolve().parent.name == "snapshots"
    found = file.stat() if in_cache else file.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:
        return None
    with file.open("rb") as content:
        text = content.read(_LONGEST + 1)
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if len(text) <= _LONGEST and "\0" not in decoded else None
