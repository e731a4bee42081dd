"""How many states go together: the rule on made-up times, the memory, and that a processor takes one."""

import pytest
import torch

from core.evaluate.limits import TOGETHER
from core.evaluate.walks import together as module
from core.evaluate.walks.sequences import Sequences
from core.evaluate.walks.together import alike, fills, tried, within
from core.model.model import LoadedModel

IDS = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(1))


def test_as_many_as_make_a_state_cheaper() -> None:
    assert tried(lambda many: many) == 1  # full with one
    assert tried(lambda many: 1.0) == TOGETHER  # a device that one state keeps waiting
    assert tried(lambda many: max(8, many)) == 8  # full with eight
    assert tried(lambda many: 1 + 0.4 * many) == 32  # 7 % are worth it, 4 % are not


def test_a_device_that_is_full_is_not_tried_further() -> None:
    def seconds(many: int) -> float:
        if many > 4:
            raise torch.OutOfMemoryError
        return 1.0

    assert tried(seconds) == 4


def test_a_processor_takes_one_and_nothing_is_tried(tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "tried", None)
    assert fills(Sequences(tiny_loaded, IDS, 3)) == 1


def test_memory_decides_where_there_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """33 states stay; two batches in each of 32 queues and for the heads, one in and one out: 68 for each together."""
    state = 10 * 128 * 4096 * 2
    assert within(2**32, "cpu", state, 32, 32) == 4  # 409 states: 376 // 68 = 5
    assert within((33 + 68) * state, "cpu", state, 32, 32) == 1
    assert within(0, "cpu", state, 32, 32) == 1
    monkeypatch.setattr(module, "free_memory", lambda device: 2 * (33 + 2 * 68) * state)
    assert within(2**40, "cuda", state, 32, 32) == 2


def test_a_block_that_mixes_states_is_noticed(tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = Sequences(tiny_loaded, IDS, 3)
    assert alike(sequences, 4, 8)
    mlp = tiny_loaded.blocks.modules[4].mlp
    own = mlp.forward
    monkeypatch.setattr(mlp, "forward", lambda hidden: own(hidden) + len(hidden))
    assert not alike(sequences, 4, 8)


def test_the_trial_is_remembered(tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an accelerator: this model is said to be on one, and asked for the time of its blocks once."""
    asked: list[int] = []

    def seconds(sequences: Sequences, block: int, many: int) -> float:
        asked.append(many)
        return float(max(4, many))

    monkeypatch.setattr(module, "_seconds", seconds)
    monkeypatch.setitem(vars(tiny_loaded), "offloaded", True)
    monkeypatch.setattr(module, "_found", type(module._found)())
    assert [fills(Sequences(tiny_loaded, IDS, 3)) for _ in range(3)] == [4, 4, 4]
    assert asked == [1, 2, 4, 8]
