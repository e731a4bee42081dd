"""Names of data sets on the Hugging Face Hub, and what stands for one: its files by split, at one commit."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?::([^:/]+))?(?::([^:/]+))?", re.ASCII)


@dataclass(frozen=True)
class HubName:
    """`owner/name[@revision][:config][:split]`."""

    repository: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class HubData:
    """The files of a data set by split, at one commit."""

    repository: str
    commit: str
    files: dict[str, list[str]]


def hub_name(text: str) -> HubName | None:
    """The parts of a name, or None for what is none."""
    found = _NAME.fullmatch(text)
    return HubName(*found.groups()) if found and ".." not in text else None
