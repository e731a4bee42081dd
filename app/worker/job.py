"""One request to the worker, and what has been heard of it."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from core.records.events import Exported, Measured, Partial, Progress, Timed, Writing
from core.records.plans import Comparison, Selection
from core.records.results import RunResult
from core.records.spec import Protocol, RunSpec

ACTIVE = ("waiting", "running", "cancelling")


@dataclass
class Job:
    """A task or a preview. `status` ends as finished, cancelled or failed."""

    spec: RunSpec
    what: str = "run"  # or select, compare, score, export; measure, continue, time
    details: dict[str, Any] = field(default_factory=dict)  # the rest of the command
    worker: int = 0  # the process that was asked
    status: str = "waiting"
    run: str | None = None  # the name that a run has once it began
    stage: str = ""
    progress: Progress | None = None
    share: float | None = None  # of its budget that a search has spent
    partial: Partial | None = None
    writing: Writing | None = None
    result: RunResult | None = None
    measured: Measured | None = None
    timed: Timed | None = None
    selection: Selection | None = None
    comparison: Comparison | None = None
    exported: Exported | None = None
    message: str = ""
    hint: str = ""
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

    def hear(self, event: dict[str, Any]) -> None:
        """Takes in one event of the worker; a job that has ended hears nothing more."""
        if not self.active:
            return
        kind = event.pop("kind")
        if self.status == "waiting" and kind not in ("cancelled", "failed"):
            self._become("running")
        match kind:
            case "stage":
                self.stage = event["text"]
            case "started":
                self.run, self.stage = event["run"], "Measuring"
            case "progress":
                self.progress = Progress(**{**event, "best": tuple(map(tuple, event["best"]))})
            case "searching":
                self.share = event["share"]
            case "partial":
                self.partial, self.stage = Partial(**event), ""
            case "writing":
                self.writing, self.stage = Writing(**event), ""
            case "estimated":
                self.result = RunResult.from_dict(event["result"])
                self._become(self.status)
            case "cancelled":
                self._become("cancelled")
            case "failed":
                self.fail(event["message"], event["hint"])
            case _:
                self._end(kind, event)

    def _end(self, kind: str, event: dict[str, Any]) -> None:
        """The last event of a job that came to its end."""
        match kind:
            case "finished":
                self.result = RunResult.from_dict(event["result"])
            case "measured":
                self.measured = Measured.from_dict(event)
            case "written":
                self.writing = Writing(**event)
            case "timed":
                self.timed = Timed(**event)
            case "selected":
                self.selection = Selection.from_dict(event["selection"])
            case "compared":
                self.comparison = Comparison.from_dict(event["comparison"])
            case "exported":
                places = {name: tuple(event[name]) for name in ("removed", "players")}
                event |= {**places, "protocol": Protocol(**event["protocol"])}
                self.exported = Exported(**event)
        self._become("finished")

    def replaced(self) -> None:
        """Nobody waits for it any more: a newer one of the same client has come."""
        if self.active:
            self._become("cancelled")

    def fail(self, message: str, hint: str) -> None:
        self.message, self.hint = message, hint
        self._become("failed")

    def _become(self, status: str) -> None:
        self.status = status
        self.revision += 1
