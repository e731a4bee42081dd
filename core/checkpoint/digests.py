"""The SHA-256 of large files, each computed once for as long as its size, its times and its place on the disk stay."""

import contextlib
import hashlib
import json
import uuid
from pathlib import Path

from core.files import json_of
from core.paths import home

_KEPT, _LARGEST = 256, 2**20  # files that are remembered, and bytes of the file that remembers them


def digest(file: Path) -> str:
    """64 hex digits; OSError where the file cannot be read."""
    key, known = _key(file), _known()
    if key in known:
        return known[key]
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    _remember({**known, key: found})
    return found


def is_known(file: Path) -> bool:
    """Whether `digest` answers without reading the file."""
    return _key(file) in _known()


def _key(file: Path) -> str:
    status = file.stat()
    return f"{file.resolve()} {status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _file() -> Path:
    return home() / "models" / "digests.json"


def _known() -> dict[str, str]:
    """What is remembered; nothing where that cannot be read."""
    try:
        found = json_of(_file(), _LARGEST)
    except (OSError, ValueError):
        return {}
    strings = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if strings else {}


def _remember(known: dict[str, str]) -> None:
    """In one step; where it cannot be written, the file is read again next time."""
    fresh = _file().with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    with contextlib.suppress(OSError):
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_text(json.dumps(dict(list(known.items())[-_KEPT:])), encoding="utf-8")
            fresh.replace(_file())
        finally:
            fresh.unlink(missing_ok=True)
