"""Copies of Hub models on this machine, in the cache that all programs share; the Hub is not asked.

The layout is huggingface_hub's: `blobs` holds contents by their hash, `snapshots/COMMIT` names as links to them, and
`refs/REVISION` the commit that a branch or a tag stood for when it was last asked about.
"""

import re
import shutil
import uuid
from pathlib import Path

from huggingface_hub import constants

from core.errors import ModelNotFound
from core.files import content_of, json_of
from core.hub.hub_id import COMMIT, HubId
from core.paths import is_there

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
_TOKENIZER = re.compile(r"tokenizer.*|vocab.*|merges\.txt|.+\.model|spiece.*", re.ASCII)
_NAMED = 2**10  # bytes of the file that says which commit is meant
_PARTS = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf", re.ASCII | re.IGNORECASE)


def storage(asked: HubId) -> Path:
    """The folder of a repository in the cache."""
    return Path(constants.HF_HUB_CACHE).expanduser() / f"models--{asked.repository.replace('/', '--')}"


def on_disk(name: str) -> Path | None:
    """The folder of a Hub model that has been downloaded whole, by its name; None for what is no such name."""
    try:
        asked = HubId.of(name)
    except ModelNotFound:
        return None
    folder = snapshot(asked)
    return folder if folder is not None and not missing(folder, asked.file) else None


def snapshot(asked: HubId) -> Path | None:
    """The folder of a revision, as much of it as is there."""
    base, commit = storage(asked), asked.revision
    if not COMMIT.fullmatch(commit):
        try:
            commit = content_of(base / "refs" / commit, _NAMED).decode("ascii").strip()
        except (OSError, ValueError):
            return None
    folder = base / "snapshots" / commit
    return folder if COMMIT.fullmatch(commit) and folder.is_dir() else None


def missing(folder: Path, file: str = "") -> list[str]:
    """What a model needs that a snapshot does not hold: a download may have been interrupted."""
    if file:
        return [name for name in parts(file) if not (folder / name).is_file()]
    needed = [CONFIG, WEIGHTS]
    if (folder / INDEX).is_file() and not (folder / WEIGHTS).is_file():
        needed = [CONFIG, *shards(folder / INDEX)]
    absent = [name for name in needed if not is_there(folder / name)]
    tokenizer = any(_TOKENIZER.fullmatch(found.name) and found.is_file() for found in folder.iterdir())
    return absent if tokenizer else [*absent, "tokenizer.json"]


def parts(file: str) -> list[str]:
    """The files of the GGUF model that one of them belongs to."""
    split = _PARTS.fullmatch(file)
    if split is None:
        return [file]
    return [f"{split[1]}-{number:05d}-of-{split[2]}{file[-5:]}" for number in range(1, min(int(split[2]), 1000) + 1)]


def shards(index: Path) -> list[str]:
    """The files that an index names. What is no index is refused when the whole folder is checked."""
    try:
        return sorted({str(name) for name in json_of(index)["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def link(base: Path, commit: str, name: str, blob: str) -> None:
    """Gives a content its name in a snapshot, in one step."""
    target = base / "snapshots" / commit / name
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    try:
        fresh.symlink_to(Path("../../blobs") / blob)
    except OSError:  # a file system without links
        shutil.copyfile(base / "blobs" / blob, fresh)
    fresh.replace(target)


def remember(base: Path, revision: str, commit: str) -> None:
    """Puts down which commit a branch or a tag stands for."""
    if revision != commit:
        file = base / "refs" / revision
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.tmp")
        fresh.write_text(commit, encoding="ascii")
        fresh.replace(file)
