"""A program of another project as a process, which ends with whoever asked for it.

It and what it starts are a group, which is killed on our way out. Where we are killed ourselves, Linux kills the
program itself; on other systems it then ends by itself.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from core.errors import ToolError
from core.records.events import Stage

_PATIENCE = 0.2  # seconds, after which whoever waits for it may do something else
_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_LONGEST = 300  # letters of its last line


def run(
    stage: Stage, name: str, command: Sequence[str], environment: Mapping[str, str], hint: str, at: Path | None = None
) -> Generator[Stage, None, str]:
    """Runs a program to its end, and returns what it has written to standard output.

    Yields `stage` all the while; closed before the end, it ends the program.

    Args:
        stage: what goes on, for people.
        name: what people call it.
        command: the program and its arguments.
        environment: all that it finds there.
        hint: what to do where it fails.
        at: the folder that it runs in, where it may leave what nobody wants; None for ours.

    Raises:
        ToolError: it cannot be started, or has failed; the message ends with the last line that it has written.
    """
    with tempfile.TemporaryFile("w+") as answer, tempfile.TemporaryFile("w+", errors="replace") as told:
        try:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=at,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=told,
                start_new_session=True,
                preexec_fn=_end_with_parent if _LIBC else None,
            )
        except OSError as cause:
            raise ToolError(f"{name} cannot be started: {cause.strerror or cause}.", hint) from cause
        try:
            while process.poll() is None:
                yield stage
                try:
                    process.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                _kill(process)
                process.wait()
        told.seek(0)
        if process.returncode:
            lines = [line.strip() for line in told.read().splitlines() if line.strip()]
            last = lines[-1][:_LONGEST] if lines else "it has said nothing"
            ended = f"was killed by signal {-process.returncode}" if process.returncode < 0 else "has failed"
            raise ToolError(f"{name} {ended}: {last}", hint)
        answer.seek(0)
        return answer.read()


def _end_with_parent() -> None:
    """In the new process, before the program: nothing but a call of the system, since other threads' locks are held."""
    if _LIBC is not None:
        _LIBC.prctl(_DEATH, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started; where systems have no groups, alone."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
