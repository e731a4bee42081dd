"""Corpora as text: the embedded one, Hub data sets, and local files.

A corpus is one stream: its documents joined by a blank line. Calibration and evaluation never share text: a Hub corpus
has splits for them, and of any other stream calibration gets the first half and evaluation the second (`text.windows`).
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import HfApi

from core.errors import CorpusError
from core.paths import user_path

EMBEDDED = "python-docs"

# Documents read from a Hub corpus: enough for thousands of windows, without downloading all of C4.
_HUB_DOCUMENTS = 20_000
_JOIN = "\n\n"
_SECONDS = 10  # for the Hub to answer


@dataclass(frozen=True)
class HubCorpus:
    """A data set on the Hugging Face Hub, read by streaming through `datasets`."""

    path: str
    config: str | None
    calibration: str  # split
    evaluation: str  # split
    column: str
    revision: str | None = None


# PTB and BookCorpus are published as loading scripts, which `datasets` no longer runs; the Hub keeps a Parquet copy.
HUB = {
    "wikitext2": HubCorpus("Salesforce/wikitext", "wikitext-2-raw-v1", "validation", "test", "text"),
    "c4": HubCorpus("allenai/c4", "en", "train", "validation", "text"),
    "ptb": HubCorpus(
        "ptb-text-only/ptb_text_only", "penn_treebank", "validation", "test", "sentence", "refs/convert/parquet"
    ),
    "bookcorpus": HubCorpus("bookcorpus/bookcorpus", "plain_text", "train", "train", "text", "refs/convert/parquet"),
}
CORPORA = (EMBEDDED, *HUB)


@dataclass(frozen=True)
class Corpus:
    """The text of one split. `halved`: calibration and evaluation are still halves of this one stream."""

    name: str
    split: str
    text: str
    halved: bool


def read(corpus: str, split: str) -> Corpus:
    """The text of a corpus: `python-docs`, a Hub corpus by its short name, or a .txt, .jsonl or .parquet file.

    Args:
        corpus: name or path.
        split: calibration, evaluation, or whole (all of a file; a Hub corpus gives its evaluation split).

    Raises:
        CorpusError: unknown name, missing, unreadable or empty file, or no network.
    """
    if corpus in HUB:
        hub = HUB[corpus]
        text, halved = _JOIN.join(_from_hub(corpus, hub, split)), hub.calibration == hub.evaluation
    elif corpus == EMBEDDED:
        text, halved = _JOIN.join(_embedded()), True
    else:
        text, halved = _JOIN.join(_from_file(corpus)), True
    if not text.strip():
        raise CorpusError(f"The corpus {corpus} holds no text.", "Give a file with text in it.")
    return Corpus(Path(corpus).name, split, text, halved and split != "whole")


def stamp(corpus: str) -> tuple[int, int] | None:
    """Changes when a local file does; None for a corpus that has no file."""
    if corpus in CORPORA:
        return None
    status = user_path(corpus).stat()
    return status.st_size, status.st_mtime_ns


def _embedded() -> list[str]:
    """Python's own reference documentation, which the standard library carries as text."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def _from_file(path: str) -> Iterable[str]:
    readers: dict[str, Callable[[Path], Iterable[str]]] = {
        ".txt": lambda file: [file.read_text(encoding="utf-8")],
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
    file = user_path(path)
    if not file.is_file():
        raise CorpusError(
            f"There is no corpus {path}.",
            f"Name a corpus ({', '.join(CORPORA)}) or an existing .txt, .jsonl or .parquet file.",
        )
    if file.suffix not in readers:
        raise CorpusError(f"{path} is of a kind that cannot be read.", f"Use a file ending in {', '.join(readers)}.")
    try:
        return list(readers[file.suffix](file))
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise CorpusError(
            f"{path} cannot be read: {type(cause).__name__}: {cause}.",
            "The text must be UTF-8; .jsonl and .parquet need a field named text in every row.",
        ) from cause


def _read_jsonl(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield _text(json.loads(line)["text"])


def _read_parquet(file: Path) -> Iterator[str]:
    yield from map(_text, pd.read_parquet(file, columns=["text"])["text"])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the field text holds {type(value).__name__}, not text")
    return value


def _from_hub(name: str, hub: HubCorpus, split: str) -> list[str]:
    from datasets import load_dataset

    error = CorpusError(
        f"The corpus {name} ({hub.path} on the Hugging Face Hub) cannot be read.",
        f"Check the network, or use the embedded corpus {EMBEDDED} or a local .txt, .jsonl or .parquet file.",
    )
    if not _is_reachable(hub.path):
        raise error
    try:
        rows = load_dataset(
            hub.path,
            hub.config,
            split=hub.calibration if split == "calibration" else hub.evaluation,
            revision=hub.revision,
            streaming=True,
        )
        return [row[hub.column] for row in islice(rows, _HUB_DOCUMENTS)]
    except (OSError, ValueError, RuntimeError) as cause:  # what `datasets` and the Hub client raise
        raise error from cause


def _is_reachable(repository: str) -> bool:
    """Whether the Hub answers for a data set: `datasets` itself would retry for half a minute."""
    try:
        HfApi().dataset_info(repository, timeout=_SECONDS)
    except Exception:  # transport errors share no base class across versions, and every failure means the same here
        return False
    return True
