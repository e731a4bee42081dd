"""Following the engine from a cell: a bar while it works, and an interrupt that loses nothing."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from tqdm.auto import tqdm

from core.records.events import Downloading, Event, Partial, Progress, Searching, Stage

_WORDS, _SHARE = "{desc}", "{l_bar}{bar}| {elapsed}"


def follow(events: Iterator[Event]) -> tuple[Event | None, Any]:
    """Shows stages and progress, in a notebook or on a terminal; the last event, and what the generator returned.

    A traceback that the notebook keeps would hold the generator, and with it the claim of a run: it is closed at once.
    """
    last: Event | None = None
    hidden = "ipykernel" not in sys.modules and not sys.stderr.isatty()
    generator: Any = events
    with closing(generator), tqdm(bar_format=_WORDS, disable=hidden) as bar:
        while True:
            try:
                last = next(generator)
            except StopIteration as end:
                return last, end.value
            _show(bar, last)


def _show(bar: Any, event: Event) -> None:
    if isinstance(event, Stage):
        bar.set_description(event.text)
    elif isinstance(event, Downloading):
        if bar.total != event.total:
            bar.bar_format, bar.unit, bar.unit_scale = None, "B", True
            bar.set_description(f"Downloading {event.model}")
            bar.reset(event.total)
            bar.n = bar.initial = event.done
        bar.update(event.done - bar.n)
        if event.done == event.total:
            bar.bar_format, bar.unit, bar.unit_scale = _WORDS, "it", False
    elif isinstance(event, Progress | Partial):
        if bar.total != event.total:
            bar.bar_format = None
            bar.reset(event.total)
            bar.n = bar.initial = event.cached if isinstance(event, Progress) else 0
        bar.update(event.done - bar.n)
    elif isinstance(event, Searching):
        if bar.total != 1:
            bar.bar_format = _SHARE
            bar.reset(1)
        bar.update(min(1, event.share) - bar.n)
