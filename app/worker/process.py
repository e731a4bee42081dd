"""The one process that imports torch and owns the model: commands on standard input, events on standard output.

Both are lines of JSON. A command says what to `do`, for which `job`: one of the tasks run, select, compare, score and
export, one of the previews measure, continue and time, which also name their `client`, or cancel. Every event carries
the `job` that it belongs to. Previews overtake: they are answered between two evaluations of a task, and only the
newest one of each client is. When the input ends, whoever started this process is gone, and it goes too.
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

from app.worker.libraries import quiet
from cache.database import Database
from cache.store import Store
from core.baselines.compare import Match
from core.errors import QuorumError
from core.export.recipe import Recipe
from core.records.events import Compared, Event, Exported, Finished, Scored, Selected
from core.records.results import RunResult
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.selection.targets import Request

Command = dict[str, Any]


PREVIEWS = ("measure", "continue", "time")
# The last event of a task: what is cancelled after it is finished all the same.
_LAST = (Finished, Selected, Compared, Scored, Exported)


class Cancelled(Exception):
    """Somebody has cancelled the task under way."""


class Worker:
    """Takes commands from `inbox` and writes events to `out`, for ever."""

    def __init__(self, store: Store, inbox: "queue.SimpleQueue[Command]", out: TextIO) -> None:
        self._engine = Engine(store, between=self._look_up)
        self._inbox = inbox
        self._out = out
        self._tasks: list[Command] = []
        self._previews: dict[str, Command] = {}  # the newest of each client
        self._cancelled: set[str] = set()
        self._under_way = ""

    def serve(self) -> None:
        """Answers previews first, then tasks in the order in which they came."""
        while True:
            self._receive(wait=not self._previews and not self._tasks)
            self._answer_previews()
            if self._tasks:
                self._work(self._tasks.pop(0))

    def _work(self, command: Command) -> None:
        self._under_way = job = command["job"]
        events = self._guarded(command)
        for event in events:
            self._send(job, asdict(event))
            if not isinstance(event, _LAST):
                try:
                    self._look_up()
                except Cancelled:
                    events.close()
                    self._send(job, {"kind": "cancelled"})
        self._under_way = ""
        self._cancelled.discard(job)

    def _look_up(self) -> None:
        """Between two evaluations of a task: previews are answered, and a cancelled task is left."""
        self._receive(wait=False)
        self._answer_previews()
        if self._under_way in self._cancelled:
            raise Cancelled

    def _answer_previews(self) -> None:
        """Until there are none, or somebody has cancelled the task under way: what is left is answered after it."""
        while self._previews and self._under_way not in self._cancelled:
            command = self._previews.pop(next(iter(self._previews)))
            for event in self._guarded(command):
                self._send(command["job"], asdict(event))
                self._receive(wait=False)
                if command["client"] in self._previews:
                    break  # a newer request of the same client
                if self._under_way in self._cancelled:
                    self._previews[command["client"]] = command
                    break

    def _events(self, command: Command) -> Iterator[Event]:
        """What the engine does about a command."""
        engine, spec = self._engine, RunSpec.from_dict(command["spec"])
        match command["do"]:
            case "run":
                return engine.run(spec)
            case "select":
                request = Request(command["units"], protected=tuple(command["protected"]))
                return engine.select(command["run"], command["game"], spec, request)
            case "compare":
                match_ = Match(tuple(command["methods"]), tuple(command["counts"]), command["units"])
                return engine.compare(spec, match_, command["run"])
            case "score":
                return engine.score(command["run"], command["game"], spec)
            case "export":
                recipe = Recipe.of(RunResult.from_dict(command["result"]), spec, command["removed"])
                return engine.export(recipe, Path(command["out"]))
            case "continue":
                return engine.continue_(spec, command["removed"], command["prompt"], command["tokens"])
            case "time":
                return engine.time(spec, command["removed"])
        return engine.measure(spec, spec.text(), command["removed"])

    def _receive(self, *, wait: bool) -> None:
        """Sorts what has arrived; waits for at least one command if asked to."""
        while wait or not self._inbox.empty():
            command = self._inbox.get()
            wait = False
            if command["do"] == "cancel":
                self._cancel(command["job"])
            elif command["do"] in PREVIEWS:
                self._previews[command["client"]] = command
            else:
                self._tasks.append(command)

    def _cancel(self, job: str) -> None:
        waiting = [command for command in self._tasks if command["job"] == job]
        for command in waiting:
            self._tasks.remove(command)
            self._send(job, {"kind": "cancelled"})
        if job == self._under_way:
            self._cancelled.add(job)

    def _guarded(self, command: Command) -> Iterator[Event]:
        """The events of a command; the exception that ends them becomes an event, and the process goes on."""
        job = command["job"]
        try:
            yield from self._events(command)
        except Cancelled:
            self._send(job, {"kind": "cancelled"})
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
    if hasattr(os, "nice"):
        os.nice(10)  # the dashboard, which is idle most of the time, goes first
    # Standard output belongs to the events: whatever a library prints goes to standard error.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, inbox), daemon=True).start()
    quiet()
    Worker(Store(Database(Path(sys.argv[1]))), inbox, out).serve()


if __name__ == "__main__":
    main()
