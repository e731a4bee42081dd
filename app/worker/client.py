"""The server's handle on the worker process: tasks and previews are asked for, cancelled, and listened to.

One `Jobs` serves all browser sessions. A thread reads the worker's events; pages only look at what it has put down in
each `app.worker.job.Job`.
"""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from typing import Any

from app.root import ROOT
from app.worker.job import Job
from cache.database import Database, default_file
from core.records.spec import RunSpec


class Jobs:
    """Starts the worker at the first request, and again after it died."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[str] | None = None
        self._jobs: dict[str, Job] = {}
        self._previews: dict[str, Job] = {}
        self.measured = 0  # previews that ended with a measurement, new or known

    def submit(self, spec: RunSpec) -> Job:
        """Asks for a run."""
        return self.task("run", spec)

    def task(self, what: str, spec: RunSpec, **details: Any) -> Job:
        """Asks for a task: run, select, compare, score or export, as the worker wants it.

        An active one that was asked for in the same words is returned instead of a second.
        """
        job = Job(spec, what, details)
        with self._lock:
            for other in self._jobs.values():
                if other.status in ("waiting", "running") and other.asked == job.asked:
                    return other
            return self._ask(job)

    def preview(self, client: str, spec: RunSpec, removed: tuple[int, ...]) -> Job:
        """Asks for one measurement ahead of all tasks; it replaces the client's earlier request."""
        return self.ahead(client, "measure", spec, removed=removed)

    def ahead(self, client: str, what: str, spec: RunSpec, **details: Any) -> Job:
        """Asks for a preview, ahead of all tasks: measure, continue or time; it replaces the client's earlier one."""
        with self._lock:
            job, earlier = Job(spec, what, details), self._previews.get(client)
            if earlier is not None:
                self._jobs.pop(earlier.name, None)
                earlier.replaced()
            self._previews[client] = job
            return self._ask(job, client=client)

    def cancel(self, job: Job) -> None:
        """Asks for the end of a run; it is shown at once and happens after the evaluation under way."""
        with self._lock:
            if job.active:
                job.status = "cancelling"
                with suppress(BrokenPipeError):  # the listener is about to say that the worker died
                    self._write({"do": "cancel", "job": job.name})

    def newest(self, what: str = "run", run: str | None = None) -> Job | None:
        """The task of a kind that goes on, or else the last one that was asked for; of one run or of any."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.what == what and (run is None or job.of == run)]
            active = [job for job in jobs if job.active]
            return active[0] if active else jobs[-1] if jobs else None

    def waiting(self, behind: Job) -> list[Job]:
        """The runs that come after one that goes on."""
        with self._lock:
            return [job for job in self._jobs.values() if job.what == "run" and job.active and job is not behind]

    def stop(self) -> None:
        """Ends the worker, which then ends its run; everything measured is stored."""
        with self._lock:
            if self._worker is not None:
                assert self._worker.stdin is not None
                self._worker.stdin.close()
                self._worker.wait(timeout=10)
                self._worker = None

    def _ask(self, job: Job, **details: Any) -> Job:
        if self._worker is None or self._worker.poll() is not None:
            self._worker = self._start()
        command = {"do": job.what, "job": job.name, "spec": asdict(job.spec), **job.details, **details}
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
            [sys.executable, "-m", "app.worker.process", str(self.database.file)],
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
            if not line.endswith("\n"):
                break  # it was killed in the middle of a word
            event = json.loads(line)
            with self._lock:
                self.measured += event["kind"] == "measured"
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
