"""The server's handle on the worker process: tasks and previews are asked for, cancelled, and listened to.

One `Jobs` serves all browser sessions. A thread reads the worker's events; pages only look at what it has put down in
each `app.worker.job.Job`. The queue outlives the worker: when it dies, what was under way fails, and a new one is asked
for the rest.
"""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from io import TextIOWrapper
from typing import Any, get_args

from app.root import ROOT
from app.worker import ending
from app.worker.job import Job, Preview, Task, line_up
from cache.database import Database, default_file
from core.errors import NotAllowed
from core.records.events import Cancelled, Finished
from core.records.reader import read_event
from core.records.spec import RunSpec

MOST_TASKS = 5  # that one person who has logged in may wait for
_SILENT = 2  # workers in a row that end before they begin anything: the next would do the same


class Jobs:
    """Starts the worker at the first request, and again after it died."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[str] | None = None
        self._jobs: dict[str, Job] = {}
        self._previews: dict[str, Job] = {}  # the newest of each asker, while it is active
        self._going: list[str] = []  # jobs that the worker has begun: a task, and last what it gives way to
        self._silent = 0  # workers in a row that have begun nothing
        self.measured = 0  # previews that ended with a measurement, new or known

    def submit(self, spec: RunSpec, owner: str | None = None, *, search: bool = False, **more: Any) -> Job:
        """Asks for a run, for the search that it may end with, and for more: what measures, and what comes `then`."""
        return self.task("run", spec, owner, search=search, **more)

    def task(self, what: Task, spec: RunSpec, owner: str | None = None, **details: Any) -> Job:
        """Asks for a task, with the details that the worker wants.

        An active one that was asked for in the same words is returned instead of a second.

        Raises:
            NotAllowed: the owner, a person who has logged in, waits for as many as one may.
        """
        job = Job(spec, what, details, owner)
        with self._lock:
            for other in self._jobs.values():
                if other.status in ("waiting", "running") and other.asked == job.asked:
                    return other
            held = sum(
                other.active and other.what in get_args(Task) for other in self._jobs.values() if other.owner == owner
            )
            if owner is not None and held >= MOST_TASKS:
                raise NotAllowed(
                    f"You wait for {held} tasks already, as many as one person may.",
                    "Cancel one of them, or wait for its end.",
                )
            return self._ask(job)

    def preview(self, asking: str, spec: RunSpec, removed: tuple[int, ...]) -> Job:
        """Asks for one measurement ahead of all tasks; it replaces the asker's earlier request."""
        return self.ahead(asking, "measure", spec, removed=removed)

    def ahead(self, asking: str, what: Preview, spec: RunSpec, **details: Any) -> Job:
        """Asks for a preview, ahead of all tasks; it replaces the earlier one of whoever is asking."""
        with self._lock:
            job, earlier = Job(spec, what, details, asking=asking), self._previews.get(asking)
            if earlier is not None:
                self._jobs.pop(earlier.name, None)
                earlier.replaced()
            self._previews[asking] = job
            return self._ask(job)

    def cancel(self, job: Job) -> None:
        """Asks for the end of a run; it is shown at once and happens after the evaluation under way."""
        with self._lock:
            if job.active:
                job.status = "cancelling"
                with suppress(BrokenPipeError):  # the listener is about to notice that the worker died
                    self._write({"do": "cancel", "job": job.name})
                line_up(self._jobs.values(), self._going)

    def newest(self, what: str = "run", run: str | None = None) -> Job | None:
        """The task of a kind that goes on, or else the last one that was asked for; of one run or of any."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.what == what and (run is None or job.of == run)]
            active = [job for job in jobs if job.active]
            return active[0] if active else jobs[-1] if jobs else None

    def tasks(self) -> list[Job]:
        """All tasks that go on or wait, in the order in which they were asked for, and the last of those that ended."""
        with self._lock:
            return [job for job in self._jobs.values() if job.what in get_args(Task)]

    def waiting(self, behind: Job) -> list[Job]:
        """The runs that come after one that goes on."""
        with self._lock:
            return [job for job in self._jobs.values() if job.what == "run" and job.active and job is not behind]

    def stop(self) -> None:
        """Ends the worker, which then ends its run; everything measured is stored."""
        with self._lock:
            worker, self._worker = self._worker, None
            for job in self._jobs.values():
                if job.active:
                    job.fail("Quorum has been stopped.", "Start it again: everything measured is kept.")
            if worker is not None:
                ending.close(worker)
                try:
                    worker.wait(timeout=10)
                except subprocess.TimeoutExpired:  # it is so busy with its start that it does not hear
                    worker.kill()

    def _ask(self, job: Job) -> Job:
        self._forget()
        self._jobs[job.name] = job
        self._give(job)
        line_up(self._jobs.values(), self._going)
        return job

    def _give(self, job: Job) -> None:
        """Writes a job to the worker; if that one has just died, `_bury` gives the job to the next."""
        if self._worker is None:
            try:
                self._worker = self._start()
            except OSError as error:
                job.fail(f"The process that computes cannot be started: {error}", "Close other programs and try again.")
                return
        job.worker = self._worker.pid
        command = {"do": job.what, "job": job.name, "spec": asdict(job.spec), "owner": job.owner, **job.details}
        if job.asking is not None:
            command["asking"] = job.asking
        with suppress(BrokenPipeError):
            self._write(command)

    def _forget(self) -> None:
        """Drops jobs that have ended and that nobody can ask for: `newest` gives the last task of a kind and run."""
        newest = {(job.what, job.of): job for job in self._jobs.values() if job.what in get_args(Task)}
        self._jobs = {
            name: job for name, job in self._jobs.items() if job.active or newest.get((job.what, job.of)) is job
        }
        self._previews = {asking: job for asking, job in self._previews.items() if job.active}

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
        """Hears a worker to its end; whatever that is, what it had not begun goes on with another."""
        assert isinstance(worker.stdout, TextIOWrapper)
        worker.stdout.reconfigure(errors="replace")  # a byte that is no text would hide the lines that came with it
        under_way: list[str] = []  # names of jobs: a task, and last a preview that is answered in the middle of it
        silent, garbled = True, False
        try:
            for line in worker.stdout:
                if not line.endswith("\n"):
                    break  # it was killed in the middle of a word
                fields = json.loads(line)
                match fields["kind"]:
                    case "begun" | "left":
                        with self._lock:
                            (under_way.append if fields["kind"] == "begun" else under_way.remove)(fields["job"])
                            self._going = under_way.copy()
                            line_up(self._jobs.values(), self._going)
                        silent = False
                    case _:
                        self._hear(fields)
        except Exception:  # what it says is no event of any job, and nobody hears it any more
            garbled = True
            worker.kill()
        finally:
            code = worker.wait()
            reason = ending.garbled() if garbled else ending.reason(code)
            with self._lock:
                self._silent = self._silent + 1 if silent else 0
                self._bury(worker, under_way, reason)

    def _bury(self, worker: "subprocess.Popen[str]", under_way: list[str], reason: tuple[str, str]) -> None:
        """Fails what a worker that has ended was busy with, and asks another for what else was asked of it.

        What it was busy with is not tried again: that may be what ended it. The task that waited in the middle for a
        preview's end, and previews, are tried again once.
        """
        if self._worker is worker:
            self._worker = None
        ending.close(worker)
        self._going = []
        hopeless = self._silent >= _SILENT
        for job in [job for job in self._jobs.values() if job.active and job.worker == worker.pid]:
            once = job.asking is not None or job.name in under_way
            if hopeless or job.name in under_way[-1:] or (once and job.again):
                job.fail(*reason)
            elif job.status == "cancelling":
                job.hear(Cancelled())
            else:
                job.wait_again(once)
                self._give(job)
        line_up(self._jobs.values(), self._going)
        if hopeless:
            self._silent = 0  # who asks anew has a new chance

    def _hear(self, fields: dict[str, Any]) -> None:
        with self._lock:
            self.measured += fields["kind"] == "measured"
            job = self._jobs.get(fields.pop("job"))
            if job is None:
                return  # a preview that a newer one has replaced is forgotten
            try:
                going = job.status == "running"  # and nobody has cancelled it
                job.hear(event := read_event(fields))
                if going and isinstance(event, Finished) and (then := job.details.get("then")):
                    self._ask(Job(job.spec, "needs", {"run": job.run, **then}, job.owner))
            except Exception as error:  # a bug; the other jobs go on
                job.fail(
                    f"What the process that computes says cannot be understood: {error}",
                    "Start it again: what was measured is kept. If it fails again, please report it.",
                )
                if self._worker is not None and self._worker.pid == job.worker:
                    with suppress(BrokenPipeError):
                        self._write({"do": "cancel", "job": job.name})


@cache
def shared() -> Jobs:
    """The one `Jobs` of this server, on the results file that it was started with."""
    return Jobs(Database(default_file()))
