"""python -m app COMMAND: everything that the dashboard does, without it."""

import os
import signal
import sys

from app.cli.interruption import ENDINGS, heed, is_asked
from app.root import PROGRAM
from core.errors import QuorumError, TargetMissed


def command(program: str = "quorum") -> int:
    """A process of its own for one command: `quorum` of an installation, or this module's."""
    _ends_at_once()
    import app.cli.parser  # noqa: F401  (takes a second or more, with nothing to keep)

    heed()
    try:
        status = main(program=program)
        sys.stdout.flush()
    except BrokenPipeError:
        status = _enough_was_read()
    except KeyboardInterrupt:  # while something else was said
        status = 130
    finally:  # wrong usage and --help leave by SystemExit
        _ends_at_once()
    return status


def main(arguments: list[str] | None = None, program: str = PROGRAM) -> int:
    """Runs one command and returns the exit status.

    0 is done, 1 an expected failure, 2 wrong usage, 3 a target that was missed, 130 interrupted.
    """
    from app.cli.parser import parser
    from app.cli.terminal import answers_alone, complain
    from app.panics import named_panics

    options = parser(program).parse_args(arguments)
    try:
        with answers_alone():
            return int(named_panics()(options.command)(options) or 0)
    except QuorumError as error:
        complain(options.json, error)
        return int(options.missed) if isinstance(error, TargetMissed) else 1
    except BrokenPipeError:
        return _enough_was_read()
    except KeyboardInterrupt:
        return _stopped()
    except Exception:  # which a library may have made of the interruption
        if not is_asked():
            raise
        return _stopped()


def _stopped() -> int:
    print("Stopped. What a run has measured is kept; run the same command again to go on.", file=sys.stderr)
    return 130


def _ends_at_once() -> None:
    """Whoever interrupts a process that has nothing to keep, or has kept it, sees no traceback."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_DFL)


def _enough_was_read() -> int:
    """Whoever reads our answer has closed it, as `| head` does: nothing is wrong."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(command(PROGRAM))
