"""How many hidden states go through a block at a time: as many as fill the device, found by a short trial.

A processor is filled by one state of a usual text, and its losses stay the same to the last bit whoever asks, so one
state at a time it is there. Elsewhere, and where each block is brought from the disk for every call, a block in the
middle is tried with 1, 2, 4, … states for as long as another doubling makes a state cheaper by a twentieth; and it must
make of each among many what it makes of one alone.
"""

import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch

from core.checkpoint.device import free_memory
from core.evaluate.limits import TOGETHER
from core.evaluate.walks.sequences import Sequences

_WORTH, _REPEATS = 0.95, 3
# What was found for the models in memory, by the number of sequences and their length.
_found: "WeakKeyDictionary[torch.nn.Module, dict[tuple[int, ...], int]]" = WeakKeyDictionary()


def fills(sequences: Sequences) -> int:
    """The number of states that fill the device; found once for a model and a shape of text."""
    loaded = sequences.loaded
    if loaded.info.device == "cpu" and not loaded.offloaded:
        return 1
    known = _found.setdefault(loaded.model, {})
    shape = tuple(sequences.ids.shape)
    if shape not in known:
        middle = len(loaded.blocks) // 2
        found = tried(lambda many: _seconds(sequences, middle, many))
        known[shape] = found if alike(sequences, middle, found) else 1
    return known[shape]


def tried(seconds: Callable[[int], float]) -> int:
    """The last power of two up to which every doubling makes a state cheaper, by the seconds that a batch takes."""
    many, best = 1, seconds(1)
    while many < TOGETHER:
        try:
            taken = seconds(2 * many) / (2 * many)
        except torch.OutOfMemoryError:
            break
        if taken > _WORTH * best:
            break
        many, best = 2 * many, taken
    return many


def alike(sequences: Sequences, block: int, many: int) -> bool:
    """Whether a block makes the same of each of `many` states as of one, to rounding."""
    with torch.inference_mode():
        [alone] = (state.float() for state in sequences.block(block, [sequences.start]))
        off = max(float((state - alone).abs().max()) for state in sequences.block(block, [sequences.start] * many))
    rounding = 1e-3 if sequences.loaded.info.dtype == "float32" else 3e-2
    return off <= rounding * max(1.0, float(alone.abs().max()))


def within(room: int, device: str, state: int, layers: int, queues: int) -> int:
    """How many states may go together, so that all that wait or are under way take `room` bytes at most.

    Fewer than two batches wait in each queue and for the heads, one goes in and one comes out; `layers` stay.

    Args:
        room: bytes; of an accelerator, no more than half of what is free.
        device: as of a LoadedModel.
        state: bytes that one takes.
        layers: of the model.
        queues: before how many blocks states may wait.
    """
    if device != "cpu":
        room = min(room, free_memory(device) // 2)
    most = (room // state - layers - 1) // (2 * (queues + 2))
    return 1 << max(0, most.bit_length() - 1)


def _seconds(sequences: Sequences, block: int, many: int) -> float:
    """The shortest of a few calls of a block; a first one warms up."""
    found = []
    for _ in range(1 + _REPEATS):
        begun = time.perf_counter()
        with torch.inference_mode():
            # Reading a number waits for a device that works on its own.
            sequences.block(block, [sequences.start] * many)[-1].flatten()[0].item()
        found.append(time.perf_counter() - begun)
    return min(found[1:])
