"""The one process that imports torch and owns the model: commands on standard input, events on standard output.

Both are lines of JSON. A command says what to `do`, for which `job`: one of the tasks or the previews that
`app.worker.job` names, of which the latter also say who is `asking`, or cancel. Every event carries the `job` that it
belongs to; besides events, the process says which job it has begun and which it has left, so that its death is laid to
the right one. Previews overtake: they are answered between two
evaluations of a task, and only the newest one of each asker is. So are exports, once a run does what nobody waits for.
What needs other weights waits for the task's end: two models need not fit into memory.
When the input ends, whoever started this process is gone, and it goes too.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TextIO, get_args

from app.cli.opening import quiet
from app.worker.job import Preview
from app.worker.orders import Command, events_of, spec_of
from cache.database import ENDLESS, Database
from cache.store import Store
from core.errors import QuorumError
from core.evaluate.game import weights_of
from core.records.events import (
    Answered,
    Cancelled,
    Compared,
    Event,
    Exported,
    Failed,
    Finished,
    Progress,
    Scored,
    Selected,
    Stage,
)
from core.run.engine import Engine
from core.run.remaining import LAST_PARTS

# The last event of a task: what is cancelled after it is finished all the same.
_LAST = (Finished, Selected, Compared, Scored, Answered, Exported, Cancelled, Failed)


class _Stop(Exception):
    """Somebody has cancelled the task under way."""


class Worker:
    """Takes commands from `inbox` and writes events to `out`, for ever."""

    def __init__(self, store: Store, inbox: "queue.SimpleQueue[Command]", out: TextIO) -> None:
        self._engine = Engine(store, between=self._look_up)
        self._store = store
        self._inbox = inbox
        self._out = out
        self._tasks: list[Command] = []
        self._previews: dict[str, Command] = {}  # the newest of each asker
        self._going: set[str] = set()  # tasks that have begun: one, or an export and the run that gives way to it
        self._cancelled: set[str] = set()
        self._under_way: Command | None = None  # a task
        self._gives_way = False  # whether nobody waits for what it does now

    def serve(self) -> None:
        """Answers previews first, then tasks in the order in which they came."""
        while True:
            self._receive(wait=not self._previews and not self._tasks)
            self._answer_previews()
            if self._tasks:
                command = self._tasks.pop(0)
                self._say(command, "begun")
                self._work(command)
                self._say(command, "left")

    def _work(self, command: Command) -> None:
        """Does a task to its end, also in the middle of another that gives way to it."""
        before, self._under_way, self._gives_way = self._under_way, command, False
        self._going.add(command["job"])
        events = self._guarded(command)
        for event in events:
            self._send(command, event)
            self._gives_way = isinstance(event, Progress) and event.part in LAST_PARTS
            if not isinstance(event, _LAST):
                try:
                    self._look_up()
                except _Stop:
                    events.close()
                    self._send(command, Cancelled())
        self._under_way, self._gives_way = before, before is not None
        self._going.discard(command["job"])
        self._cancelled.discard(command["job"])

    def _look_up(self) -> None:
        """Between two steps of a task: previews are answered, exports where nobody waits for it, and it may be left."""
        self._receive(wait=False)
        self._answer_previews()
        while self._gives_way and not self._stopped() and (export := self._next_export()) is not None:
            self._say(export, "begun")
            self._work(export)
            self._say(export, "left")
        if self._stopped():
            raise _Stop

    def _stopped(self) -> bool:
        return self._under_way is not None and self._under_way["job"] in self._cancelled

    def _answer_previews(self) -> None:
        """Until there are none, or somebody has cancelled the task under way: what is left is answered after it."""
        while not self._stopped() and (command := self._next_preview()) is not None:
            self._say(command, "begun")
            for event in self._guarded(command):
                self._send(command, event)
                self._receive(wait=False)
                if command["asking"] in self._previews:
                    break  # a newer request of the same asker
                if self._stopped():
                    self._previews[command["asking"]] = command
                    break
            self._say(command, "left")

    def _next_preview(self) -> Command | None:
        """The first that can be answered now, taken out of the queue."""
        for asker, command in self._previews.items():
            if not self._needs_other_weights(command):
                return self._previews.pop(asker)
            if not command.get("told"):
                command["told"] = True
                self._send(command, Stage("Another model is being measured; waiting for its end"))
        return None

    def _next_export(self) -> Command | None:
        """The first in the queue that the weights in memory serve, taken out of it."""
        for command in self._tasks:
            if command["do"] == "export" and not self._needs_other_weights(command):
                self._tasks.remove(command)
                return command
        return None

    def _needs_other_weights(self, command: Command) -> bool:
        """Whether a preview is of other weights than those that the task under way holds in memory."""
        if self._under_way is None or command["do"] == "look":
            return False
        try:
            return weights_of(spec_of(command)) != weights_of(spec_of(self._under_way))
        except Exception:  # it fails in words before anything is loaded, and not the task under way
            return False

    def _receive(self, *, wait: bool) -> None:
        """Sorts what has arrived; waits for at least one command if asked to."""
        while wait or not self._inbox.empty():
            command = self._inbox.get()
            wait = False
            if command["do"] == "cancel":
                self._cancel(command["job"])
            elif command["do"] in get_args(Preview):
                self._previews[command["asking"]] = command
            else:
                self._tasks.append(command)

    def _cancel(self, job: str) -> None:
        waiting = [command for command in self._tasks if command["job"] == job]
        for command in waiting:
            self._tasks.remove(command)
            self._send(command, Cancelled())
        if job in self._going:
            self._cancelled.add(job)

    def _guarded(self, command: Command) -> Generator[Event, None, None]:
        """The events of a command; the exception that ends them becomes an event, and the process goes on."""
        try:
            yield from events_of(self._engine, self._store, command)
        except _Stop:
            yield Cancelled()
        except QuorumError as error:
            yield Failed(error.message, error.hint)
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a bug, a panic of Rust, or the machine's memory: the type is for a report
            hint = "Start it again: what was measured is kept. If it fails again, please report it."
            yield Failed(f"{type(error).__name__}: {error}", hint)

    def _say(self, command: Command, kind: Literal["begun", "left"]) -> None:
        """What the server is told besides events."""
        print(json.dumps({"job": command["job"], "kind": kind}), file=self._out, flush=True)

    def _send(self, command: Command, event: Event) -> None:
        print(json.dumps({"job": command["job"], **asdict(event)}), file=self._out, flush=True)


def _read(lines: TextIO, inbox: "queue.SimpleQueue[Command]") -> None:
    for line in lines:
        inbox.put(json.loads(line))
    os._exit(0)  # at once, even in the middle of a forward; the store is safe against it


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)  # the dashboard, which is idle most of the time, goes first
    # Standard output belongs to the events: whatever a library prints goes to standard error.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, inbox), daemon=True).start()
    quiet()
    Worker(Store(Database(Path(sys.argv[1]), patience=ENDLESS)), inbox, out).serve()


if __name__ == "__main__":
    main()
