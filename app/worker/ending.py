"""Ending the process that computes, and why it has ended, in words."""

import signal
import subprocess
from contextlib import suppress

_KILLED = -9  # not signal.SIGKILL, which not every system knows


def reason(status: int) -> tuple[str, str]:
    """What to say to whoever waited for a process that has ended unasked, and a hint.

    Args:
        status: its exit status, negative after a signal.
    """
    if status == _KILLED:
        why, hint = "killed, as the system does when memory runs out", "If memory ran out, use fewer sequences."
    elif status < 0:
        why, hint = f"signal {-status}: {_name(-status)}", "If it fails again, please report it."
    else:
        why = f"exit status {status}"
        hint = "What it said last stands where Quorum was started. If it fails again, please report it."
    return sentence(why), f"Start it again: everything measured is kept. {hint}"


def garbled() -> tuple[str, str]:
    """The same of one that was ended because what it said was no event."""
    hint = "Start it again: everything measured is kept. If it fails again, please report it."
    return sentence("it said what cannot be understood"), hint


def sentence(why: str) -> str:
    return f"The process that computes has ended unexpectedly ({why})."


def _name(number: int) -> str:
    try:
        return signal.strsignal(number) or "unknown"
    except ValueError:
        return "unknown"


def close(worker: "subprocess.Popen[str]") -> None:
    """Closes the input of a worker, which ends it."""
    if worker.stdin is not None:
        with suppress(BrokenPipeError):
            worker.stdin.close()
