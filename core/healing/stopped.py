"""What a training is asked for, put down beside its state: whoever finds one that was stopped can go on with it."""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import HealingError, QuorumError
from core.export.recipes.recipe import Recipe
from core.paths import home, write_errors
from core.records.events import Event, Training
from core.records.reader import from_fields
from core.unfinished import unfinished

_NOTE, _LOCK, STATE = ".json", ".lock", ".pt"
OFTEN = 60  # seconds after which a state is saved also between two readings
_PATIENCE = 2  # seconds: who looks whether a training goes on holds its lock for a moment


@dataclass(frozen=True)
class Asked:
    """A training under way, or one that was stopped."""

    recipe: Recipe  # with the paths of this machine, which it never leaves
    out: str
    uncached: bool
    training: Training  # where it was, with the losses of all its steps
    owner: str | None = None  # who asked for it, where people log in


def folder() -> Path:
    """Where trainings keep their states, and what they are asked for."""
    return home() / "healing"


def stopped(run: str) -> dict[str, Asked]:
    """The trainings of a run that nobody goes on with now, by the names of their states."""
    found = {}
    for note in sorted(folder().glob(f"*{_NOTE}")):
        # Gone in this moment, under way, or written by another release: the command goes on with it all the same.
        with suppress(OSError, ValueError, Timeout):
            asked = from_fields(Asked, json.loads(note.read_text(encoding="utf-8")))
            if asked.recipe.run == run and note.with_suffix(STATE).exists():
                with FileLock(note.with_suffix(_LOCK), timeout=0):
                    found[note.stem] = asked
    return found


def forget(name: str) -> None:
    """Drops a training that was stopped, its state with it.

    Raises:
        HealingError: a process goes on with it again.
        NotWritable, DiskFull.
    """
    with alone(name):
        drop(name)


def drop(name: str) -> None:
    """The same by whoever holds it. Its lock stays, an empty file: others may wait for it."""
    for suffix in (_NOTE, STATE):
        (folder() / f"{name}{suffix}").unlink(missing_ok=True)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Holds a training by the name of its state, so that no two processes go on with it.

    Raises:
        HealingError: another one does.
        NotWritable, DiskFull.
    """
    file = folder() / f"{name}{_LOCK}"
    with write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            raise HealingError(
                "This very training goes on in another process.", "Wait for its end, or stop that process."
            ) from None
    try:
        yield
    finally:
        lock.release()


def noted(
    events: Generator[Event, None, Any], name: str, recipe: Recipe, out: Path, uncached: bool, owner: str | None = None
) -> Generator[Event, None, Any]:
    """The events of a training, with a note kept as often as its state is; and what the training returns.

    Raises:
        NotWritable, DiskFull.
    """
    now: Training | None = None
    readings, last = 0, time.monotonic()
    try:
        while True:
            event = next(events)
            if isinstance(event, Training):
                now = event.after(now)
                if len(now.readings) != readings or time.monotonic() - last > OFTEN:
                    _put(name, Asked(recipe, str(out), uncached, now, owner))
                    readings, last = len(now.readings), time.monotonic()
            yield event
    except StopIteration as end:
        return end.value
    except GeneratorExit:  # somebody has cancelled it
        if now is not None:
            with suppress(QuorumError):  # on a full disk the last note stays
                _put(name, Asked(recipe, str(out), uncached, now, owner))
        raise
    finally:
        events.close()


def _put(name: str, asked: Asked) -> None:
    with unfinished(folder() / f"{name}{_NOTE}") as file:
        file.write_text(json.dumps(asdict(asked)), encoding="utf-8")
