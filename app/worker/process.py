"""The one process that imports torch and owns the model: commands on standard input, events on standard output.

Both are lines of JSON. A command says what to `do`, for which `job`: one of the tasks run, select, compare, score and
export, one of the previews measure, continue and time, which also name who is `asking`, or cancel. Every event carries
the `job` that it belongs to; besides events, the process says which job it has begun and which it has left, so that its
death is laid to the right one. Previews overtake: they are answered between two evaluations of a task, and only the
newest one of each asker is. One that needs other weights waits for the task's end: two models need not fit into memory.
When the input ends, whoever started this process is gone, and it goes too.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TextIO, assert_never, get_args

from app.cli.opening import quiet
from app.worker.job import Preview, Task
from cache.database import ENDLESS, Database
from cache.store import Store
from core.baselines.compare import Match
from core.errors import QuorumError
from core.evaluate.game import weights_of
from core.export.recipe import Recipe
from core.records.events import Cancelled, Compared, Event, Exported, Failed, Finished, Scored, Selected, Stage, Started
from core.records.reader import from_fields
from core.records.results import RunResult
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.selection.targets import Request

Command = dict[str, Any]
COMMANDS = (*get_args(Task), *get_args(Preview))

# The last event of a task: what is cancelled after it is finished all the same.
_LAST = (Finished, Selected, Compared, Scored, Exported, Cancelled, Failed)


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
        self._cancelled: set[str] = set()
        self._under_way: Command | None = None  # a task

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
        self._under_way = command
        events = self._guarded(command)
        for event in events:
            self._send(command, event)
            if not isinstance(event, _LAST):
                try:
                    self._look_up()
                except _Stop:
                    events.close()
                    self._send(command, Cancelled())
        self._under_way = None
        self._cancelled.discard(command["job"])

    def _look_up(self) -> None:
        """Between two evaluations of a task: previews are answered, and a cancelled task is left."""
        self._receive(wait=False)
        self._answer_previews()
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

    def _needs_other_weights(self, command: Command) -> bool:
        """Whether a preview is of other weights than those that the task under way holds in memory."""
        if self._under_way is None:
            return False
        try:
            return weights_of(_spec(command)) != weights_of(_spec(self._under_way))
        except Exception:  # it fails in words before anything is loaded, and not the task under way
            return False

    def _events(self, command: Command) -> Iterator[Event]:
        """What the engine does about a command.

        Raises:
            QuorumError: nobody knows such a command.
        """
        engine, spec = self._engine, _spec(command)
        do: Task | Preview = command["do"]
        if do not in COMMANDS:
            raise QuorumError(
                f"The dashboard asks for {do}, which the process that computes does not know.",
                "Stop Quorum and start it again: its two processes are of different releases.",
            )
        match do:
            case "run":
                return self._owned(engine.run(spec), command.get("owner"))
            case "select":
                request = Request(command["units"], protected=tuple(command["protected"]))
                return engine.select(command["run"], command["game"], spec, request)
            case "compare":
                match_ = Match(tuple(command["methods"]), tuple(command["counts"]), command["units"])
                return engine.compare(spec, match_, command["run"])
            case "score":
                return engine.score(command["run"], command["game"], spec)
            case "export":
                recipe = Recipe.of(from_fields(RunResult, command["result"]), spec, command["removed"])
                return engine.export(recipe, Path(command["out"]), uncached=command.get("uncached", False))
            case "continue":
                return engine.continue_(spec, command["removed"], command["prompt"], command["tokens"])
            case "time":
                return engine.time(spec, command["removed"])
            case "measure":
                return engine.measure(spec, spec.text(), command["removed"])
            case _:
                assert_never(do)

    def _owned(self, events: Iterator[Event], owner: str | None) -> Iterator[Event]:
        """The events of a run, which belongs from its start to the person who asked for it."""
        for event in events:
            if isinstance(event, Started) and owner is not None:
                self._store.own(event.run, owner)
            yield event

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
        if self._under_way is not None and job == self._under_way["job"]:
            self._cancelled.add(job)

    def _guarded(self, command: Command) -> Generator[Event, None, None]:
        """The events of a command; the exception that ends them becomes an event, and the process goes on."""
        try:
            yield from self._events(command)
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


def _spec(command: Command) -> RunSpec:
    return from_fields(RunSpec, command["spec"])


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
