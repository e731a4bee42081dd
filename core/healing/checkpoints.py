"""Where a training is: written whole or not at all, so that one that was killed goes on to the same weights."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import HealingError
from core.healing.stopped import STATE, folder
from core.records.mends import Reading
from core.unfinished import unfinished


@dataclass(frozen=True)
class State:
    """All that the steps to come depend on: what is drawn in a step follows from its number."""

    step: int  # that were made
    weights: dict[str, torch.Tensor]  # of the additions
    optimiser: dict[str, Any]
    best: dict[str, torch.Tensor]  # those of the lowest held-out loss
    readings: tuple[Reading, ...]
    losses: tuple[float, ...] = ()  # of every step, nats a token


_FORMAT = 2  # of what `save` writes, and of how a training draws: another one begins anew


def checkpoint_of(*asked: object) -> Path:
    """The file of a training that is asked for in these words: the same command finds it again."""
    name = hashlib.sha256(repr((_FORMAT, *asked)).encode()).hexdigest()[:16]
    return folder() / f"{name}{STATE}"


def any_state() -> bool:
    """Whether any training is under way, or was stopped."""
    return any(folder().glob(f"*{STATE}"))


def save(file: Path, state: State) -> None:
    """Puts a state in the place of the last one.

    Raises:
        NotWritable, DiskFull.
    """
    entries = {**vars(state), "readings": [asdict(reading) for reading in state.readings]}
    content = io.BytesIO()  # on a full disk torch would not raise what `unfinished` names
    torch.save(entries, content)
    with unfinished(file) as path:
        path.write_bytes(content.getbuffer())


def saved(file: Path, weights: Mapping[str, torch.Tensor]) -> State | None:
    """The last state, or None where there is none.

    Args:
        weights: of the additions that it is for, by name.

    Raises:
        HealingError: the file holds something else.
    """
    if not file.exists():
        return None
    try:
        entries = torch.load(file, map_location="cpu", weights_only=True)
        for part in ("weights", "best"):
            if _shapes(entries[part]) != _shapes(weights):
                raise ValueError("its tensors are others than those of this model")
        return State(**{**entries, "readings": tuple(Reading(**reading) for reading in entries["readings"])})
    except Exception as cause:  # of many kinds: whatever unpickling meets
        raise HealingError(
            f"{file} is no state of a training: {str(cause).splitlines()[0][:200]}.", "Delete it: healing begins anew."
        ) from cause


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}
