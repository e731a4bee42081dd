"""Data sets of the Hub that have been read whole on this machine: which files they had, and at which commit.

A list lies beside the files, in the cache that all programs share. What it names is used without a question to the Hub:
a text does not change between two runs, and needs no network for the second.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from huggingface_hub import constants, try_to_load_from_cache
from pydantic import ValidationError

from core.files import content_of
from core.records.reader import from_json
from core.text.hub_names import HubData, HubName

_LARGEST = 2**24  # bytes of a list that are read


def recall(name: HubName) -> HubData | None:
    """What is known of a data set, or None."""
    try:
        return from_json(HubData, content_of(_list(name), _LARGEST).decode("utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def remember(name: HubName, data: HubData) -> None:
    """Keeps the list of a data set. A cache that cannot be written keeps none."""
    listed = {"repository": data.repository, "commit": data.commit, "files": _plain(data.files)}
    file = _list(name)
    fresh = file.with_name(f"{file.name}.{uuid4().hex[:8]}.tmp")
    with suppress(OSError):
        fresh.write_text(json.dumps(listed), encoding="utf-8")
        fresh.replace(file)


def kept_file(data: HubData, file: str) -> Path | None:
    """The copy of a file on this machine, or None."""
    found = try_to_load_from_cache(data.repository, file, revision=data.commit, repo_type="dataset")
    return Path(found) if isinstance(found, str) else None


def _plain(files: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {split: list(names) for split, names in files.items()}


def _list(name: HubName) -> Path:
    """One for each revision and configuration that was asked for; splits are in it."""
    folder = Path(constants.HF_HUB_CACHE).expanduser() / f"datasets--{name.repository.replace('/', '--')}"
    digest = hashlib.sha256(f"{name.revision}:{name.config}".encode()).hexdigest()
    return folder / f"quorum-{digest[:16]}.json"
