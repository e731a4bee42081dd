"""One request to the worker, and what has been heard of it."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never, get_args

from core.records.behaviour.writes import Behaviour
from core.records.events import (
    Answered,
    Behaved,
    Cancelled,
    Compared,
    Downloading,
    Estimated,
    Event,
    Exported,
    Failed,
    Finished,
    Looked,
    Measured,
    Partial,
    Planned,
    Progress,
    Scored,
    Searching,
    Selected,
    Stage,
    Started,
    Timed,
    Training,
    Writing,
    Written,
)
from core.records.results import RunResult
from core.records.spec import RunSpec

Task = Literal[
    "run", "select", "compensate", "compare", "score", "agree", "needs", "tasks", "export", "heal", "quantise"
]
Preview = Literal["measure", "continue", "time", "behave", "look"]  # what somebody waits for, ahead of all tasks
ACTIVE = ("waiting", "running", "cancelling")


@dataclass
class Job:
    """A task or a preview. `status` ends as finished, cancelled or failed."""

    spec: RunSpec
    what: Task | Preview = "run"
    details: dict[str, Any] = field(default_factory=dict)  # the rest of the command
    owner: str | None = None  # who asked for it, where people log in
    asking: str | None = None  # whose preview it is
    worker: int = 0  # the process that was asked
    again: bool = False  # whether it is tried for a second and last time, after a worker died
    status: str = "waiting"
    run: str | None = None  # the name that a run has once it began
    stage: str = ""
    downloading: Downloading | None = None
    progress: Progress | None = None
    share: float | None = None  # of its budget that a search has spent, or of what both models write
    partial: Partial | None = None
    writing: Writing | None = None
    result: RunResult | None = None
    measured: Measured | None = None
    timed: Timed | None = None
    behaviour: Behaviour | None = None
    exported: Exported | None = None
    looked: Looked | None = None
    training: Training | None = None  # with the losses of all its steps
    message: str = ""
    hint: str = ""
    place: int = 0  # in the queue while it waits: 1 is next; 0 once it goes on, or has ended
    waits_for: "Job | None" = field(default=None, repr=False, compare=False)  # what goes on meanwhile
    revision: int = 0  # grows with every new result and every change of status
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def asked(self) -> tuple[str, RunSpec, dict[str, Any]]:
        """What was asked for; two jobs of the same words are the same."""
        return self.what, self.spec, self.details

    @property
    def of(self) -> str | None:
        """The run that it is about."""
        return self.run or self.details.get("run")

    @property
    def removed(self) -> tuple[int, ...]:
        """The layers that a preview or an export leaves out."""
        return tuple(self.details.get("removed", ()))

    def hear(self, event: Event) -> None:
        """Takes in one event of the worker; a job that has ended hears nothing more."""
        if not self.active:
            return
        if self.status == "waiting" and not isinstance(event, Failed | Cancelled):
            self._become("running")
        match event:
            case Stage():
                self.stage, self.downloading = event.text, None
            case Downloading():
                self.stage, self.downloading = f"Downloading {event.model}", event
            case Started():
                self.run, self.stage = event.run, "Measuring"
            case Progress():
                self.progress, self.stage, self.downloading = event, "", None
            case Planned():  # the results file has them: whoever looks reads it again
                self._become(self.status)
            case Training():
                self.training, self.share = event.after(self.training), event.share
            case Searching():
                self.share = event.share
            case Partial():
                self.partial, self.stage = event, ""
            case Estimated():
                self.result = event.result
                self._become(self.status)
            case Written():
                self.writing = event
                self._become("finished")
            case Writing():
                self.writing, self.stage = event, ""
            case Finished():
                self.result = event.result
                self._become("finished")
            case Measured():
                self.measured = event
                self._become("finished")
            case Timed():
                self.timed = event
                self._become("finished")
            case Behaved():
                self.behaviour = event.found
                self._become("finished")
            case Looked():
                self.looked = event
                self._become("finished")
            case Exported():
                self.exported = event
                self._become("finished")
            case Selected() | Compared() | Scored() | Answered():  # the results file has what was found
                self._become("finished")
            case Cancelled():
                self._become("cancelled")
            case Failed():
                self.fail(event.message, event.hint)
            case _:
                assert_never(event)

    def replaced(self) -> None:
        """Nobody waits for it any more: a newer one of the same asker has come."""
        if self.active:
            self._become("cancelled")

    def wait_again(self, once: bool) -> None:
        """It goes on with another worker from what is stored; `once` if it is not to be tried a third time."""
        self.again = self.again or once
        self.stage, self.downloading, self.progress, self.share = "", None, None, None
        self._become("waiting")

    def fail(self, message: str, hint: str) -> None:
        self.message, self.hint = message, hint
        self._become("failed")

    def _become(self, status: str) -> None:
        self.status = status
        self.revision += 1


def line_up(jobs: Iterable[Job], going: Sequence[str]) -> None:
    """Tells jobs, in the order in which they were asked for, their place in the queue and what they wait for.

    `going` names those that have begun: a task, and last what it gives way to.
    """
    named = {job.name: job for job in jobs}
    tasks = [named[name] for name in going if name in named and named[name].what in get_args(Task)]
    place = 0
    for job in named.values():
        waits = job.active and job.name not in going
        place += waits and job.what in get_args(Task)
        job.place = place if waits and job.what in get_args(Task) else 0
        job.waits_for = tasks[-1] if waits and tasks else None
