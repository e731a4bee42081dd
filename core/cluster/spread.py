"""Coalitions spread over replicas: each block that comes back is stored in one transaction, a lost one is put back.

Nothing is in Ray that is not in the store or on its way there, so that whoever is killed, a worker, a machine or the
driver, takes with it only the blocks that it was measuring.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cluster.machines import Machines, connected
from core.cluster.partition import blocks
from core.cluster.replica import Order, Replica
from core.coalitions.masks import Masks, encode
from core.errors import ClusterError
from core.evaluate.cached import Ledger, Rows
from core.evaluate.game import Game
from core.records.looks import Refusal
from core.records.spec import OFFLOAD
from core.records.storage import Evaluation

_TRIES = 3  # of one block, or for each replica to open, until something finishes
# Of a CPU; actors that took all of one would leave none to Ray's own tasks.
_CPU = 0.9

Block = NDArray[np.int64]  # rows of the masks of a round


class Spread:
    """Measures coalitions of a game; replicas start with the first that is not known, and end with `close`."""

    def __init__(self, ledger: Ledger, order: Order, machines: Machines) -> None:
        self._ledger, self._order, self._machines = ledger, order, machines
        self._held = ExitStack()
        self._ray: Any = None
        self._idle: list[Any] = []  # replicas that are open
        self._working: dict[Any, tuple[Any, Block | None]] = {}  # by what they will give; None: they are opening
        self._replicas = self._unopened = 0

    def batches(self, masks: Masks) -> Iterator[Rows]:
        """The losses of coalitions (masks, players), transaction by transaction; what is known comes first.

        Raises:
            ClusterError: no replica can be opened, or a block fails on every replica that tries.
        """
        known = self._ledger.look_up(masks)
        if known:
            yield list(known.items())
        missing = np.array([row for row in range(len(masks)) if row not in known], dtype=np.int64)
        if not len(missing):
            return
        self._start()
        waiting = deque((missing[part], 0) for part in blocks(masks[missing], self._replicas))
        tried: dict[int, int] = {}  # by the first row of a block that was handed out
        left = len(waiting)
        while left:
            while waiting and self._idle:
                block, tried[int(block[0])] = waiting.popleft()
                replica = self._idle.pop()
                self._working[replica.losses.remote(masks[block])] = replica, block
            given, found = self._next()
            replica, done = given
            if done is None:
                continue
            if isinstance(found, Exception):
                tries = tried[int(done[0])] + 1
                if tries == _TRIES:
                    raise ClusterError(
                        f"{len(done)} coalitions were given to {_TRIES} workers, and none has measured them: "
                        f"{_short(found)}",
                        "Look for the memory of the machines; what was measured is kept, and the run resumes.",
                    ) from found
                waiting.appendleft((done, tries))
                continue
            self._idle.append(replica)
            rows: Rows = list(zip(done.tolist(), found, strict=True))
            self._ledger.keep([Evaluation(encode(masks[row]), losses) for row, losses in rows])
            left -= 1
            self._unopened = 0
            yield rows

    def close(self) -> None:
        """Ends the replicas, and the processes that were started for them."""
        self._idle, self._working = [], {}
        self._held.close()

    def _start(self) -> None:
        if self._ray is not None:
            return
        self._ray = self._held.enter_context(connected(self._machines))
        there = self._ray.cluster_resources()
        kind = "GPU" if self._order.device == "cuda" else "CPU"
        room = int(there.get(kind, 0))
        self._replicas = self._machines.workers or room
        if not 0 < self._replicas <= room:
            raise ClusterError(
                f"{self._replicas or 'Any number of'} workers need as many {kind}s, and Ray has found {room}.",
                f"Use --workers {room}." if room else "Use --device cpu.",
            )
        needs = {"num_gpus": 1} if kind == "GPU" else {}
        self._actor = self._ray.remote(num_cpus=_CPU, max_restarts=0, max_task_retries=0, **needs)(Replica)
        self._shared = self._ray.put(self._order)
        for _ in range(self._replicas):
            self._open()

    def _open(self) -> None:
        replica = self._actor.remote()
        self._working[replica.open.remote(self._shared)] = replica, None

    def _next(self) -> tuple[tuple[Any, Block | None], Any]:
        """The next replica to answer, with what it was at, and what has come of it: in place of one lost, another."""
        [ready], _ = self._ray.wait(list(self._working), num_returns=1)
        replica, block = self._working.pop(ready)
        try:
            found = self._ray.get(ready)
        except self._ray.exceptions.RayError as lost:
            self._unopened += block is None
            if self._unopened > _TRIES * self._replicas:
                raise ClusterError(
                    f"No worker can be started: {_short(lost)}", "Look for the memory of the machines."
                ) from lost
            self._ray.kill(replica)
            self._open()
            return (replica, block), lost
        if isinstance(found, Refusal):
            raise ClusterError(f"A worker cannot load the model: {found.message}", found.hint)
        if block is None:
            self._idle.append(replica)
        return (replica, block), found


@contextmanager
def spread(game: Game, model: str, machines: Machines) -> Iterator[Spread]:
    """Measures a game on machines.

    Args:
        game: the model as it is here, and its windows.
        model: as the user named it; every machine finds it by that name.
        machines: which.

    Raises:
        ClusterError: the weights lie in several places.
    """
    info = game.loaded.info
    if game.loaded.offloaded:
        raise ClusterError(f"Workers hold their model in one place, and --device {OFFLOAD} in several.", "Use another.")
    device = info.device.partition(":")[0]  # Ray shows each replica its own GPU alone
    order = Order(model, info.fingerprint, info.dtype, device, info.players, game.windows.ids.cpu().numpy())
    measuring = Spread(game.ledger, order, machines)
    try:
        yield measuring
    finally:
        measuring.close()


def _short(failure: Exception) -> str:
    return f"{type(failure).__name__}: {str(failure).strip().splitlines()[-1][:200]}"
