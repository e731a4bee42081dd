"""A program of another project as a process, which ends with whoever asked for it."""

import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence

from core.errors import ToolError
from core.records.events import Stage

_PATIENCE = 0.2  # seconds, after which whoever waits for it may do something else
_LONGEST = 300  # letters of its last line


def run(
    stage: Stage, name: str, command: Sequence[str], environment: Mapping[str, str], hint: str
) -> Generator[Stage, None, str]:
    """Runs a program to its end, and returns what it has written to standard output.

    Yields `stage` all the while; closed before the end, it ends the program.

    Args:
        stage: what goes on, for people.
        name: what people call it.
        command: the program and its arguments.
        environment: all that it finds there.
        hint: what to do where it fails.

    Raises:
        ToolError: it cannot be started, or has failed; the message ends with the last line that it has written.
    """
    with tempfile.TemporaryFile("w+") as answer, tempfile.TemporaryFile("w+", errors="replace") as told:
        try:
            process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=answer, stderr=told
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
                process.kill()
                process.wait()
        told.seek(0)
        if process.returncode:
            lines = [line.strip() for line in told.read().splitlines() if line.strip()]
            last = lines[-1][:_LONGEST] if lines else "it has said nothing"
            ended = f"was killed by signal {-process.returncode}" if process.returncode < 0 else "has failed"
            raise ToolError(f"{name} {ended}: {last}", hint)
        answer.seek(0)
        return answer.read()
