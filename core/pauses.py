"""Between its steps, what takes long calls what it was given: somebody else may then have the processor, or end it."""

from collections.abc import Callable, Generator
from typing import TypeVar

_Found = TypeVar("_Found")
Pause = Callable[[], None]  # may raise to end what is under way


def nothing() -> None:
    """What happens in a pause if nobody asks for anything."""


def come(steps: Generator[object, None, _Found]) -> _Found:
    """What steps come to, where nobody asks how far they are."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _Found = end.value
            return found
