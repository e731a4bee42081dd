"""A panic of a library that is written in Rust: Python sees a BaseException that nobody catches, and it gets a name."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import LibraryPanic

# What ends a process or a generator on purpose.
_ON_PURPOSE = (KeyboardInterrupt, SystemExit, GeneratorExit)


@contextmanager
def named_panics() -> Iterator[None]:
    """Raises LibraryPanic in place of a BaseException that is neither an Exception nor raised on purpose."""
    try:
        yield
    except (Exception, *_ON_PURPOSE):
        raise
    except BaseException as panic:
        raise LibraryPanic(
            f"A library has given up in the middle ({type(panic).__name__}: {str(panic).strip()[:300]}).",
            "Start it again: what was measured is kept. If it fails again, please report it.",
        ) from panic
