"""The one process that imports torch and owns the model: commands on standard input, events on standard output.

Both are lines of JSON. Commands: {"do": "run", "job", "spec"}, {"do": "cancel", "job"}, and {"do": "preview", "job",
"spec", "removed"}. Every event carries the `job` that it belongs to. Previews overtake: they are answered between two
evaluations of a run, and only the newest one of each client is. When the input ends, whoever started this process is
gone, and it goes too.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from app.libraries import quiet
from cache.database import Database
from cache.store import Store
from core.engine import Engine
from core.errors import QuorumError
from core.events import Event, Finished
from core.types import RunSpec

Command = dict[str, Any]


class Worker:
    """Takes commands from `inbox` and writes events to `out`, for ever."""

    def __init__(self, engine: Engine, inbox: "queue.SimpleQueue[Command]", out: TextIO) -> None:
        self._engine = engine
        self._inbox = inbox
        self._out = out
        self._runs: list[Command] = []
        self._previews: dict[str, Command] = {}  # the newest of each client
        self._cancelled: set[str] = set()

    def serve(self) -> None:
        """Answers previews first, then runs in the order in which they came."""
        while True:
            self._receive(wait=not self._previews and not self._runs)
            self._answer_previews()
            if self._runs:
                self._run(self._runs.pop(0))

    def _run(self, command: Command) -> None:
        job = command["job"]
        events = self._guarded(job, self._engine.run(RunSpec.from_dict(command["spec"])))
        for event in events:
            self._send(job, asdict(event))
            self._receive(wait=False)
            if job in self._cancelled and not isinstance(event, Finished):
                events.close()
                self._send(job, {"kind": "cancelled"})
                break
            self._answer_previews()
        self._cancelled.discard(job)

    def _answer_previews(self) -> None:
        while self._previews:
            command = self._previews.pop(next(iter(self._previews)))
            spec = RunSpec.from_dict(command["spec"])
            for event in self._guarded(command["job"], self._engine.measure(spec, spec.text(), command["removed"])):
                self._send(command["job"], asdict(event))
                self._receive(wait=False)
                if command["client"] in self._previews:
                    break  # a newer request of the same client

    def _receive(self, *, wait: bool) -> None:
        """Sorts what has arrived; waits for at least one command if asked to."""
        while wait or not self._inbox.empty():
            command = self._inbox.get()
            wait = False
            if command["do"] == "run":
                self._runs.append(command)
            elif command["do"] == "preview":
                self._previews[command["client"]] = command
            else:
                self._cancel(command["job"])

    def _cancel(self, job: str) -> None:
        waiting = [command for command in self._runs if command["job"] == job]
        for command in waiting:
            self._runs.remove(command)
            self._send(job, {"kind": "cancelled"})
        if not waiting:
            self._cancelled.add(job)

    def _guarded(self, job: str, events: Iterator[Event]) -> Iterator[Event]:
        """Lets events pass, and turns the exception that ends them into an event: the process goes on."""
        try:
            yield from events
        except QuorumError as error:
            self._send(job, {"kind": "failed", "message": error.message, "hint": error.hint})
        except Exception as error:  # a bug, or the machine's memory: said in words, with the type for a report
            hint = "Start it again: what was measured is kept. If it fails again, please report it."
            self._send(job, {"kind": "failed", "message": f"{type(error).__name__}: {error}", "hint": hint})

    def _send(self, job: str, event: dict[str, Any]) -> None:
        print(json.dumps({"job": job, **event}), file=self._out, flush=True)


def _read(lines: TextIO, inbox: "queue.SimpleQueue[Command]") -> None:
    for line in lines:
        inbox.put(json.loads(line))
    os._exit(0)  # at once, even in the middle of a forward; the store is safe against it


def main() -> None:
    # Standard output belongs to the events: whatever a library prints goes to standard error.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, inbox), daemon=True).start()
    quiet()
    Worker(Engine(Store(Database(Path(sys.argv[1])))), inbox, out).serve()


if __name__ == "__main__":
    main()
