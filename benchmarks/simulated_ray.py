"""What `core.cluster.spread` asks of Ray, on a clock of its own: replicas that compute nothing and take their time.

Each takes for a block what its layers and heads cost, with the prefix that it has in memory from the block before.
Nodes can be lost at a moment, with the replicas on them and what these were measuring; some replicas can be slow.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from core.coalitions.masks import Masks, layer_evaluations


@dataclass(frozen=True)
class Costs:
    """Seconds."""

    layer: float  # one block of the model on all tokens
    head: float
    load: float  # until a replica has its model
    call: float  # a block of coalitions to a replica, and its losses back
    transaction: float
    coalition: float  # of each in it
    notice: float  # until the driver hears of a lost node

    def stored(self, coalitions: int) -> float:
        """What the driver takes to store them at once."""
        return self.transaction + coalitions * self.coalition if coalitions else 0.0


class Lost(Exception):
    """In the place of `ray.exceptions.RayError`."""


class Broken(Lost):
    """In the place of `ray.exceptions.RayTaskError`, for tests."""


@dataclass(eq=False)
class Node:
    """A machine with room for so many replicas."""

    room: int
    lost: float = math.inf  # when
    taken: int = 0


@dataclass(eq=False)
class Call:
    """What a replica has been asked for."""

    ends: float
    found: Any  # or a Lost


@dataclass(eq=False)
class Handle:
    """A replica as the driver has it; it has no node while no machine has room for it."""

    ray: "SimulatedRay"
    node: Node | None
    pace: float  # seconds that it takes for one second's work
    since: float = math.inf  # when it has its model
    last: Masks | None = None  # the coalition whose hidden states it has in memory, (1, players)

    @property
    def open(self) -> "Method":
        return Method(self, "open")

    @property
    def measure(self) -> "Method":
        return Method(self, "measure")


@dataclass
class Method:
    """One of a replica's, to be asked from afar."""

    handle: Handle
    name: str

    def remote(self, *asked: Any) -> Call:
        if self.name == "open":
            return self.handle.ray.opened(self.handle)
        return self.handle.ray.measured(self.handle, asked[1])


@dataclass
class SimulatedRay:
    """One cluster; `paces` are those of its replicas in the order in which they start, later ones have 1."""

    costs: Costs
    nodes: list[Node]
    paces: list[float]
    now: float = 0.0
    layers: int = 0  # computed, of blocks that came back
    vain: float = 0.0  # coalitions measured that did not
    replicas: list[Handle] = field(default_factory=list)

    class exceptions:  # noqa: N801  (Ray calls it so)
        RayError: ClassVar = Lost
        RayTaskError: ClassVar = Broken

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": sum(node.room for node in self.nodes if node.lost > self.now)}

    @contextmanager
    def connected(self, _: object) -> Iterator["SimulatedRay"]:
        """In the place of `core.cluster.machines.connected`."""
        yield self

    def put(self, value: Any) -> Any:
        return value

    def remote(self, *_: object, **__: object) -> Any:
        """A class of actors, and one of them: Ray calls both so."""
        if __:
            return lambda _: self
        there = [node for node in self.nodes if node.taken < node.room and node.lost > self.now]
        node = min(there, key=lambda node: node.taken) if there else None
        if node is not None:
            node.taken += 1
        pace = self.paces[len(self.replicas)] if len(self.replicas) < len(self.paces) else 1.0
        self.replicas.append(Handle(self, node, pace))
        return self.replicas[-1]

    def opened(self, handle: Handle) -> Call:
        """A replica loads its model, if there is a machine for it."""
        if handle.node is None:
            return Call(math.inf, None)
        handle.since = self.now + self.costs.load
        return self._until(handle, handle.since, None)

    def measured(self, handle: Handle, asked: Masks) -> Call:
        """A replica measures a block; its end is known from the start."""
        assert handle.node is not None
        before = handle.last if handle.last is not None else np.zeros((0, asked.shape[1]), dtype=np.bool_)
        layers = layer_evaluations(np.concatenate([before, asked])) - int(before.sum())
        seconds = handle.pace * (layers * self.costs.layer + len(asked) * self.costs.head)
        handle.last = asked[np.lexsort(asked.T[::-1])[-1:]]
        begins = self.now + self.costs.call
        call = self._until(handle, begins + seconds, np.zeros((len(asked), 1), dtype=np.float32))
        if isinstance(call.found, Lost):
            self.vain += len(asked) * max(0.0, handle.node.lost - begins) / seconds
        else:
            self.layers += layers
        return call

    def _until(self, handle: Handle, ends: float, found: Any) -> Call:
        assert handle.node is not None
        if ends < handle.node.lost:
            return Call(ends, found)
        return Call(max(handle.node.lost, self.now) + self.costs.notice, Lost("The node is gone."))

    def wait(self, calls: list[Call], num_returns: int, timeout: float) -> tuple[list[Call], list[Call]]:
        """All that have ended by now; or else, where a caller has time, the first that will."""
        first = min(call.ends for call in calls)
        if timeout:
            self.now = max(self.now, first if first < math.inf else self.now + timeout)
        return [call for call in calls if call.ends <= self.now], [call for call in calls if call.ends > self.now]

    def get(self, call: Call) -> Any:
        if isinstance(call.found, Lost):
            raise call.found
        return call.found

    def kill(self, handle: Handle) -> None:
        """Gives its room to another."""
        if handle.node is not None:
            handle.node.taken -= 1
