"""Somebody's wish to stop, which holds whatever a library makes of it.

DuckDB turns an interruption into an error of its own, and whoever catches everything loses it: the exception alone may
come out as another one, or not at all.
"""

import signal
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM)
_wishes: list[int] = []


def heed() -> None:
    """From here on, whoever ends this process interrupts it where it is, so that it can keep what it has."""
    for ending in ENDINGS:
        signal.signal(ending, _interrupt)


def is_asked() -> bool:
    """Whether somebody has asked for the end."""
    return bool(_wishes)


def check() -> None:
    """Raises the interruption once more where it was lost on its way."""
    if _wishes:
        raise KeyboardInterrupt


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _wishes.append(number)
    raise KeyboardInterrupt
