"""Results on their way from the device to the host, which goes on meanwhile."""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

# Results under way before the host waits for the first of them: the device always has work, and does not run far ahead.
_UNDER_WAY = 2


class _Sent(NamedTuple):
    rows: list[list[int]]
    found: torch.Tensor  # on the host, once `event` has happened
    event: Any  # torch's own types say nothing of it; None where it has happened


class Arrivals:
    """What was measured, in the order in which it was sent."""

    def __init__(self) -> None:
        self._sent: deque[_Sent] = deque()

    def send(self, rows: list[list[int]], found: torch.Tensor) -> None:
        """Sends results (states, …), each of which belongs to some rows, on their way."""
        self._sent.append(_Sent(rows, *to_host(found)))

    def arrived(self, *, last: bool = False) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields rows with their results, as far as these are there; after the last, all."""
        while self._sent:
            first = self._sent[0]
            if first.event is not None and not first.event.query():
                if not last and len(self._sent) <= _UNDER_WAY:
                    return
                first.event.synchronize()
            self._sent.popleft()
            for rows, found in zip(first.rows, first.found.numpy(), strict=True):
                yield from ((row, found.copy()) for row in rows)


def to_host(found: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """A tensor on the host, and the event with which it is there; None where it is there already."""
    if found.device.type != "cuda":
        return found.cpu(), None
    with torch.cuda.device(found.device):
        # Behind what the device has been given to do; only pinned memory is copied to without waiting for that.
        host = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        host.copy_(found, non_blocking=True)
        event: Any = torch.cuda.current_stream().record_event()
    return host, event
