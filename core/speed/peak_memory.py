"""The most memory that some work holds at once, by what the allocator of its device says."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile


def most_held(device: str, work: Callable[[], object]) -> int | None:
    """The most bytes of tensors made by `work()` that are alive at once; None on devices that do not tell."""
    if device.startswith("cuda"):
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return int(torch.cuda.max_memory_allocated(device) - before)
    if device != "cpu":
        work()
        return None
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or it tells standard error of its beginning and end
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events: Any = seen.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


def weight_bytes(model: nn.Module) -> int:
    """Of all parameters and buffers, shared ones once."""
    held = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    return sum(held.values())
