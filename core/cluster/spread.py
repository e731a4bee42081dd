"""Replicas of a model in other processes, which measure blocks of coalitions; that of one that is lost is put back.

Nothing is in Ray that is not in the store or on its way there, so that whoever is killed, a worker, a machine or the
driver, takes with it only the blocks that it was measuring.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cluster.machines import Machines, connected
from core.cluster.partition import blocks
from core.cluster.replica import Order, Replica, Text
from core.coalitions.masks import Masks
from core.errors import ClusterError
from core.evaluate.game import Game
from core.records.looks import Refusal, Workers
from core.records.spec import OFFLOAD, Losses

# Of one block that fails on worker after worker, or with them, since machines may be lost more often; and for each
# replica to open, until something finishes.
_TRIES, _LOSSES = 3, 6
# Of a CPU; actors that took all of one would leave none to Ray's own tasks.
_CPU = 0.9
_PATIENCE = 0.2  # seconds, after which whoever waits for a block may do something else

Block = NDArray[np.int64]  # rows of masks
_NOTHING: Block = np.zeros(0, dtype=np.int64)
Connect = Callable[[Machines], AbstractContextManager[Any]]  # to Ray


@dataclass(eq=False)
class _Worker:
    actor: Any
    done: int | None = None  # coalitions; None: it has no model yet


class Spread:
    """The replicas of one model; they start with the first block, and end with `close`."""

    def __init__(self, order: Order, machines: Machines, connect: Connect = connected) -> None:
        self._order, self._machines, self._connect = order, machines, connect
        self._held = ExitStack()
        self._ray: Any = None
        self._idle: list[_Worker] = []  # who is open
        self._working: dict[Any, tuple[_Worker, Block | None]] = {}  # by what they will give; None: nobody waits for it
        self._texts: dict[str, Any] = {}
        self._replicas = self._unopened = self._lost = 0

    def workers(self) -> Workers | None:
        """How far each is; None while there are none."""
        every = [*self._idle, *(worker for worker, _ in self._working.values())]
        done = sorted((worker.done for worker in every if worker.done is not None), reverse=True)
        return Workers(tuple(done), len(every) - len(done), self._lost) if every else None

    def blocks(self, text: Text, masks: Masks, *, divergences: bool = False) -> Iterator[tuple[Block, list[Losses]]]:
        """Yields rows of masks (masks, players) with what is measured of each: all blocks that have come meanwhile.

        No rows say that none has come for a moment.

        Raises:
            ClusterError: no replica can be opened, or a block fails on every replica that tries.
        """
        if not len(masks):
            return
        self._start()
        words = self._put(text)
        waiting, tries = deque(blocks(masks, self._replicas)), Counter[int]()
        left = len(waiting)

        def hand_out() -> None:
            while waiting and self._idle:
                worker, block = self._idle.pop(), waiting.popleft()
                self._working[worker.actor.measure.remote(words, masks[block], divergences)] = worker, block

        try:
            while left:
                hand_out()
                come: list[tuple[Block, NDArray[np.float32]]] = []
                failed: tuple[Block, Exception] | None = None
                for block, found in self._next():
                    if not isinstance(found, Exception):
                        come.append((block, found))
                        continue
                    tries[int(block[0])] += 1
                    most = _TRIES if isinstance(found, self._ray.exceptions.RayTaskError) else _LOSSES
                    failed = (block, found) if tries[int(block[0])] >= most else failed
                    waiting.appendleft(block)
                left -= len(come)
                if failed is None:
                    hand_out()  # before whoever is told takes their time
                rows, figures = zip(*come, strict=True) if come else ((_NOTHING,), (np.zeros(0),))
                yield np.concatenate(rows), list(np.concatenate(figures))
                if failed is not None:
                    raise ClusterError(
                        f"{len(failed[0])} coalitions were given to {tries[int(failed[0][0])]} workers, and none has "
                        f"measured them: {_short(failed[1])}",
                        "Look for the memory of the machines; what was measured is kept, and the run resumes.",
                    ) from failed[1]
        finally:
            self._working = {call: (worker, None) for call, (worker, _) in self._working.items()}

    def close(self) -> None:
        """Ends the replicas, and the processes that were started for them."""
        self._idle, self._working, self._texts, self._ray = [], {}, {}, None
        self._held.close()

    def _put(self, text: Text) -> Any:
        if text.tokens not in self._texts:
            self._texts[text.tokens] = self._ray.put(text)
        return self._texts[text.tokens]

    def _start(self) -> None:
        if self._ray is not None:
            return
        self._ray = self._held.enter_context(self._connect(self._machines))
        room = self._room()
        self._replicas = self._machines.workers or room
        if not 0 < self._replicas <= room:
            each = f"{self._gpus} GPU{'s' * (self._gpus > 1)}" if self._gpus else "a CPU"
            raise ClusterError(
                f"{self._replicas or 'Any number of'} workers need {each} each, and Ray has room for {room}.",
                f"Use --workers {room}." if room else "Use --device cpu.",
            )
        needs = {"num_gpus": self._gpus} if self._gpus else {}
        self._actor = self._ray.remote(num_cpus=_CPU, max_restarts=0, max_task_retries=0, **needs)(Replica)
        self._shared = self._ray.put(self._order)
        for _ in range(self._replicas):
            self._open()

    @property
    def _gpus(self) -> int:
        """That each replica takes; 0 where it computes on a processor."""
        return self._order.gpus if self._order.device == "cuda" else 0

    def _room(self) -> int:
        """For replicas; the GPUs of one are of one machine, so that there may be less."""
        there = self._ray.cluster_resources()
        return int(there.get("GPU", 0)) // self._gpus if self._gpus else int(there.get("CPU", 0))

    def _open(self) -> None:
        worker = _Worker(self._actor.remote())
        self._working[worker.actor.open.remote(self._shared)] = worker, None

    def _next(self) -> list[tuple[Block, Any]]:
        """The blocks that have come, each with its figures or what became of it; in place of a lost worker, another."""
        first, _ = self._ray.wait(list(self._working), num_returns=1, timeout=_PATIENCE)
        every, _ = self._ray.wait(list(self._working), num_returns=len(self._working), timeout=0) if first else ([], [])
        if not every and not self._room() and all(worker.done is None for worker, _ in self._working.values()):
            raise ClusterError("No machine of the cluster is left.", "What was measured is kept; resume the run.")
        answers = map(self._answered, every)
        return [(block, found) for block, found in answers if block is not None]

    def _answered(self, call: Any) -> tuple[Block | None, Any]:
        worker, block = self._working.pop(call)
        try:
            found = self._ray.get(call)
        except self._ray.exceptions.RayError as lost:
            self._lost += worker.done is not None
            self._unopened += worker.done is None
            if self._unopened > _TRIES * self._replicas:
                raise ClusterError(
                    f"No worker can be started: {_short(lost)}", "Look for the memory of the machines."
                ) from lost
            self._ray.kill(worker.actor)
            self._open()
            return block, lost
        if isinstance(found, Refusal):
            raise ClusterError(f"A worker cannot load the model: {found.message}", found.hint)
        self._unopened = 0
        worker.done = (worker.done or 0) + (0 if block is None else len(block))
        self._idle.append(worker)
        return block, found


@contextmanager
def replicas(game: Game, model: str, machines: Machines | None) -> Iterator[Spread | None]:
    """Replicas of a game's model on machines; nobody where there are none.

    Args:
        game: the model as it is here.
        model: as the user named it; every machine finds it by that name.
        machines: which.

    Raises:
        ClusterError: some weights lie in main memory or on the disk until their turn comes.
    """
    if machines is None:
        yield None
        return
    info = game.loaded.info
    if game.loaded.offloaded:
        raise ClusterError(
            f"Workers hold all of their model, and --device {OFFLOAD} has left a part of this one elsewhere.",
            "Use --device cpu, or GPUs that have room for all of it.",
        )
    device = info.device.partition(":")[0]  # Ray shows each replica its own GPUs alone
    order = Order(model, info.fingerprint, info.dtype, device, info.players, len(game.loaded.devices))
    with closing(Spread(order, machines)) as spread:
        yield spread


def _short(failure: Exception) -> str:
    return f"{type(failure).__name__}: {str(failure).strip().splitlines()[-1][:200]}"
