"""Workers that start at once: each is forked from a process that has imported what all of them import.

As far as their owner can tell they are what `subprocess.Popen` gives: processes of their own, in sessions of their own,
which can be killed, and end when their input does.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from app.root import ROOT

_WORKER = ["-m", "app.worker.process"]


class Worker:
    """The part of `subprocess.Popen` that `app.worker.client` uses."""

    def __init__(self, stdin: TextIO, stdout: TextIO, told: TextIO) -> None:
        self.stdin, self.stdout = stdin, stdout
        self._told = told
        self._waiting = threading.Lock()
        self.pid = int(told.readline())
        self._exit = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """None while it goes on."""
        with suppress(OSError):
            signal.pidfd_send_signal(self._exit, 0)
            return None
        return self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative after a signal."""
        with self._waiting:
            if not self._told.closed:
                self._status = int(self._told.readline())
                self._told.close()
            return self._status

    def kill(self) -> None:
        signal.pidfd_send_signal(self._exit, signal.SIGKILL)


class Nursery:
    """Forks workers; what they import is imported when the first one is asked for."""

    PIPE = subprocess.PIPE

    def __init__(self) -> None:
        self._asked: socket.socket | None = None

    def Popen(self, command: Sequence[str], **options: object) -> Worker:  # noqa: N802
        """In place of `subprocess.Popen`."""
        assert command[1:-1] == _WORKER and options["cwd"] == ROOT and options["text"]
        if self._asked is None:
            self._asked, theirs = socket.socketpair()
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.workers", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
            )
            theirs.close()
        (their_in, our_in), (our_out, their_out), (our_end, their_end) = os.pipe(), os.pipe(), os.pipe()
        ends = [their_in, their_out, their_end]
        socket.send_fds(self._asked, [command[-1].encode()], ends)
        for end in ends:
            os.close(end)
        return Worker(os.fdopen(our_in, "w"), os.fdopen(our_out), os.fdopen(our_end))

    def close(self) -> None:
        if self._asked is not None:
            self._asked.close()


def main() -> None:
    from app.worker import process  # noqa: PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        while True:
            file, ends, _, _ = socket.recv_fds(asked, 4096, 3)
            if not file:
                return
            if os.fork() == 0:
                asked.close()
                _keep(process.main, file.decode(), *ends)
            for end in ends:
                os.close(end)


def _keep(work: Callable[[], None], file: str, stdin: int, stdout: int, told: int) -> None:
    """Forks a worker, tells its number and waits for its exit status: only a parent learns it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.close(stdin)
        os.close(stdout)
        sys.argv[1:] = [file]
        sys.stdin = os.fdopen(0)
        sys.stdout = os.fdopen(1, "w")
        try:
            work()
        finally:
            os._exit(1)
    os.close(stdin)
    os.close(stdout)
    os.write(told, f"{pid}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(told, f"{status}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    main()
