"""What is said of a folder in four bits, in the folder itself; read without torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from core.records.reader import from_fields
from core.records.spec import TextProtocol

TOLD = "quantised.json"
GRID = (
    "These weights lay on a grid of four bits in groups of 32 already, as those of a Q4 GGUF file do, and this rounds "
    "them a second time: what it costs is not what four bits cost a model of 16 bits."
)


@dataclass(frozen=True)
class Quantised:
    """A folder whose weights have four bits, and what that cost."""

    path: str
    model: str  # a path's last part alone
    fingerprint: str  # of the model
    library: str
    version: str
    method: str  # in words
    bits: int
    group: int  # weights that share a scale
    bytes_before: int  # of the files of weights
    bytes_after: int
    before: float  # perplexity
    after: float
    protocol: TextProtocol
    dtype: str  # in which both were computed
    grid: bool  # whether the weights had lain on a grid of four bits before
    fitted: TextProtocol | None  # the windows that it was fitted to; None where it needs none


def read_quantised(folder: Path) -> Quantised | None:
    """What a folder says of itself; None where it says nothing, or nothing that can be read."""
    try:
        told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
        return from_fields(Quantised, {**told, "path": str(folder)})
    except (OSError, ValueError, TypeError):  # pydantic's ValidationError is a ValueError
        return None
