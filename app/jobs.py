"""The server's handle on the worker process: submit, cancel, preview; and what has been heard of each job.

One `Jobs` serves all browser sessions. A thread reads the worker's events; pages only look at what it has put down.
"""

import json
import subprocess
import sys
import threading
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cache import queries
from cache.database import Database, default_file
from core.events import Measured, Partial, Progress
from core.results import RunResult
from core.types import RunSpec

ROOT = Path(__file__).resolve().parent.parent
ACTIVE = ("waiting", "running", "cancelling")


@dataclass
class Job:
    """One request and what has been heard of it. `status` ends as finished, cancelled or failed."""

    spec: RunSpec
    removed: tuple[int, ...] | None = None  # of a preview; None for a run
    worker: int = 0  # the process that was asked
    status: str = "waiting"
    run: str | None = None
    stage: str = ""
    progress: Progress | None = None
    partial: Partial | None = None
    result: RunResult | None = None
    measured: Measured | None = None
    message: str = ""
    hint: str = ""
    revision: int = 0  # grows with every new result and every change of status
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    def hear(self, event: dict[str, Any]) -> None:
        """Takes in one event of the worker; a job that has ended hears nothing more."""
        if not self.active:
            return
        kind = event.pop("kind")
        if kind in ("stage", "started", "progress", "partial") and self.status == "waiting":
            self._become("running")
        if kind == "stage":
            self.stage = event["text"]
        elif kind == "started":
            self.run, self.stage = event["run"], "Measuring"
        elif kind == "progress":
            self.progress = Progress(**event)
        elif kind == "partial":
            self.partial, self.stage = Partial(**event), ""
        elif kind in ("estimated", "finished"):
            self.result = RunResult.from_dict(event["result"])
            self._become("finished" if kind == "finished" else self.status)
        elif kind == "measured":
            self.measured = Measured.from_dict(event)
            self._become("finished")
        elif kind == "cancelled":
            self._become("cancelled")
        elif kind == "failed":
            self.fail(event["message"], event["hint"])

    def fail(self, message: str, hint: str) -> None:
        self.message, self.hint = message, hint
        self._become("failed")

    def _become(self, status: str) -> None:
        self.status = status
        self.revision += 1


class Jobs:
    """Starts the worker at the first request, and again after it died."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[str] | None = None
        self._jobs: dict[str, Job] = {}
        self._previews: dict[str, Job] = {}

    def submit(self, spec: RunSpec) -> Job:
        """Asks for a run; an active one of the same specification is returned instead of a second."""
        with self._lock:
            for job in self._jobs.values():
                if job.removed is None and job.status in ("waiting", "running") and job.spec == spec:
                    return job
            return self._ask(Job(spec), "run", spec=asdict(spec))

    def begin_if_empty(self) -> None:
        """Starts the default run if nobody has ever asked for one, in this file or on this server."""
        if not self._jobs and not queries.runs(self.database):
            self.submit(RunSpec())

    def preview(self, client: str, spec: RunSpec, removed: tuple[int, ...]) -> Job:
        """Asks for one measurement ahead of all runs; it replaces the client's earlier request."""
        with self._lock:
            job, earlier = Job(spec, removed), self._previews.get(client)
            if earlier is not None:
                self._jobs.pop(earlier.name, None)
            self._previews[client] = job
            return self._ask(job, "preview", spec=asdict(spec), removed=removed, client=client)

    def cancel(self, job: Job) -> None:
        """Asks for the end of a run; it is shown at once and happens after the evaluation under way."""
        with self._lock:
            if job.active:
                job.status = "cancelling"
                with suppress(BrokenPipeError):  # the listener is about to say that the worker died
                    self._write({"do": "cancel", "job": job.name})

    def newest(self) -> Job | None:
        """The run that goes on, or else the last one that was asked for."""
        with self._lock:
            runs = [job for job in self._jobs.values() if job.removed is None]
            active = [job for job in runs if job.active]
            return active[0] if active else runs[-1] if runs else None

    def waiting(self, behind: Job) -> list[Job]:
        """The runs that come after one that goes on."""
        with self._lock:
            return [job for job in self._jobs.values() if job.removed is None and job.active and job is not behind]

    def stop(self) -> None:
        """Ends the worker, which then ends its run; everything measured is stored."""
        with self._lock:
            if self._worker is not None:
                assert self._worker.stdin is not None
                self._worker.stdin.close()
                self._worker.wait(timeout=10)
                self._worker = None

    def _ask(self, job: Job, what: str, **details: Any) -> Job:
        if self._worker is None or self._worker.poll() is not None:
            self._worker = self._start()
        command = {"do": what, "job": job.name, **details}
        try:
            self._write(command)
        except BrokenPipeError:  # it died since it was looked at
            self._worker = self._start()
            self._write(command)
        job.worker = self._worker.pid
        self._jobs[job.name] = job
        return job

    def _start(self) -> "subprocess.Popen[str]":
        worker = subprocess.Popen(
            [sys.executable, "-m", "app.worker", str(self.database.file)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the server, which then closes the worker's input
        )
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _write(self, command: dict[str, Any]) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        print(json.dumps(command), file=self._worker.stdin, flush=True)

    def _listen(self, worker: "subprocess.Popen[str]") -> None:
        assert worker.stdout is not None
        for line in worker.stdout:
            event = json.loads(line)
            with self._lock:
                job = self._jobs.get(event.pop("job"))
                if job is not None:  # a preview that a newer one has replaced is forgotten
                    job.hear(event)
        code = worker.wait()
        with self._lock:
            for job in self._jobs.values():
                if job.active and job.worker == worker.pid:
                    job.fail(
                        f"The process that computes has ended unexpectedly (exit status {code}).",
                        "Start the run again: everything measured is kept. If memory ran out, use fewer sequences.",
                    )


@cache
def shared() -> Jobs:
    """The one `Jobs` of this server, on the results file that it was started with."""
    return Jobs(Database(default_file()))
