"""Repositories as the Hugging Face Hub has them, in memory: small models, and two data sets as they are published."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

LARGE = (".safetensors", ".parquet", ".gguf", ".bin", ".model")  # what lies in LFS, on the content network
MAIN = "main"


@dataclass(frozen=True)
class Entry:
    """A file of a repository, as the Hub lists it."""

    path: str
    content: bytes

    @property
    def large(self) -> bool:
        return self.path.endswith(LARGE)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def blob(self) -> str:
        """The name that git gives to the content, or to the pointer that stands for it."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        stored = pointer.encode() if self.large else self.content
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob

    def listed(self, lfs_name: str) -> dict[str, Any]:
        lfs = {lfs_name: self.sha256, "size": len(self.content), "pointerSize": 134}
        return {"size": len(self.content), **({"lfs": lfs} if self.large else {})}


@dataclass
class Repository:
    """Files under revisions. `kind` is models or datasets."""

    name: str
    files: dict[str, bytes]
    kind: str = "models"
    gated: bool = False  # listed for everybody, its files for those who were granted access
    private: bool = False
    renamed: str = ""  # where it has gone to
    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)  # branches and tags beside main

    def commit(self, revision: str) -> str | None:
        """The commit that a revision stands for, if there is one."""
        named = {self.commit_of(name): name for name in (MAIN, *self.revisions)}
        if revision in (MAIN, *self.revisions):
            return self.commit_of(revision)
        return next((commit for commit in named if len(revision) >= 7 and commit.startswith(revision)), None)

    def commit_of(self, name: str) -> str:
        parts = [name, *(f"{entry.path} {entry.blob}" for entry in self._entries(name).values())]
        return hashlib.sha1("\n".join(parts).encode()).hexdigest()

    def at(self, commit: str) -> dict[str, Entry]:
        return self._entries(next(name for name in (MAIN, *self.revisions) if self.commit_of(name) == commit))

    def _entries(self, name: str) -> dict[str, Entry]:
        files = self.files if name == MAIN else self.revisions[name]
        return {path: Entry(path, content) for path, content in sorted(files.items())}


def split(repository: Repository, rest: str) -> tuple[str, str]:
    """A revision, which may have slashes in it, and the path after it."""
    for name in sorted(repository.revisions, key=len, reverse=True):
        if f"{rest}/".startswith(f"{name}/"):
            return name, rest[len(name) + 1 :]
    revision, _, path = rest.partition("/")
    return revision, path


def in_tree(entry: Entry) -> dict[str, Any]:
    return {"type": "file", "path": entry.path, "oid": entry.blob, **entry.listed("oid")}


def tree(entries: dict[str, Entry], path: str, recursive: bool) -> list[dict[str, Any]]:
    below = f"{path}/" if path else ""
    inside = [entry for entry in entries.values() if entry.path.startswith(below)]
    folders = {
        below + "/".join(parts[:depth])
        for parts in (entry.path[len(below) :].split("/") for entry in inside)
        for depth in range(1, len(parts) if recursive else min(2, len(parts)))
    }
    files = [in_tree(entry) for entry in inside if recursive or "/" not in entry.path[len(below) :]]
    return [{"type": "directory", "path": folder, "oid": "0" * 40} for folder in sorted(folders)] + files


def model(name: str, folder: Path, **more: Any) -> Repository:
    """A model that lies in a folder."""
    return Repository(name, read(folder), **more)


def read(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def wikitext(splits: dict[str, Sequence[str]]) -> Repository:
    """Lines of text, as Salesforce/wikitext has them: a folder of Parquet files for each configuration."""
    config = "wikitext-2-raw-v1"
    files = {f"{config}/{name}-00000-of-00001.parquet": _parquet("text", lines) for name, lines in splits.items()}
    listed = [f"  - split: {name}\n    path: {config}/{name}-*\n" for name in splits]
    card = f"---\nconfigs:\n- config_name: {config}\n  data_files:\n{''.join(listed)}---\n# WikiText\n"
    return Repository("Salesforce/wikitext", {"README.md": card.encode(), **files}, kind="datasets")


def ptb(splits: dict[str, Sequence[str]]) -> Repository:
    """Sentences, as the Hub keeps what was published as a script: Parquet files under a revision of their own."""
    files = {f"penn_treebank/{name}/0000.parquet": _parquet("sentence", lines) for name, lines in splits.items()}
    published = {"README.md": b"---\nlanguage: en\n---\n", "ptb_text_only.py": b"raise SystemExit('executed')\n"}
    converted = {"refs/convert/parquet": files}
    return Repository("ptb-text-only/ptb_text_only", published, kind="datasets", revisions=converted)


def _parquet(column: str, lines: Sequence[str]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame({column: list(lines)}).to_parquet(file, index=False)
    return file.getvalue()
