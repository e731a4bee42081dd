"""How long a run still takes: one figure over all of its parts, and how right it has been so far.

The seconds that a part takes are known in two ways: by what was expected of it, and by what it has taken for the share
of its work that is done. Both count, the expectation as much as a tenth of the work:

    pace = (0.1 expected + elapsed) / (0.1 + share)        left = pace (1 - share)

so that a part which lasts longer than was thought is given longer, and is never said to be over before it is. A part of
which nothing is known yet makes the whole figure unknown. What was said at earlier moments is held against what has
been true since, as far as it is known by now: it was said at t that `left` remained, and now, at T, that l remains, so
that it should have been T - t + l.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

Part = Literal["coalitions", "fit", "search", "predictions", "precision", "surrogates"]
PARTS: tuple[Part, ...] = ("coalitions", "fit", "search", "predictions", "precision", "surrogates")
# Nobody waits for these: they give way to whatever somebody asks for meanwhile.
LAST_PARTS: tuple[Part, ...] = ("predictions", "precision", "surrogates")

_PRIOR = 0.1  # of a part's work: what an expectation counts like
_LEAST = 1.0  # seconds that are left while anything is
# Statements about less than this share of a run say little: a second more of the last two is half of them.
_WORTH, _APART = 0.1, 0.02


class Clock:
    """Seconds of a run's own work: it stands still while others are served."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._away = seconds, 0.0

    def now(self) -> float:
        return self._seconds() - self._away

    @contextmanager
    def standing(self) -> Iterator[None]:
        """While somebody else is served."""
        before = self.now()
        try:
            yield
        finally:
            self._away += self.now() - before


class Remaining:
    """The parts of one run, from its beginning on."""

    def __init__(self, parts: Sequence[Part], clock: Clock) -> None:
        self._parts, self._clock = tuple(parts), clock
        self._expected = dict.fromkeys(parts, math.nan)
        self._begun, self._place, self._share, self._since = clock.now(), 0, 0.0, clock.now()
        self._said: list[tuple[float, float]] = []  # (when, seconds left)
        self._shown = 0.0

    def expect(self, part: Part, seconds: float) -> None:
        """What all of a part is thought to take; said again as more is known. NaN: unknown."""
        if part in self._expected:
            self._expected[part] = seconds

    def at(self, part: Part, share: float) -> None:
        """A part is under way, and this share of its work is done; those before it are over."""
        place = self._parts.index(part)
        if place != self._place:
            self._place, self._since = place, self._clock.now()
        self._share = min(max(share, 0.0), 1.0)

    @property
    def place(self) -> tuple[int, int]:
        """Which part is under way, from 1 on, and how many there are."""
        return self._place + 1, len(self._parts)

    def left(self) -> float:
        """Seconds, `_LEAST` or more; NaN while a part is unknown."""
        expected, elapsed = self._expected[self._parts[self._place]], self._clock.now() - self._since
        if math.isnan(expected):
            pace = elapsed / self._share if self._share > 0 else math.nan
        else:
            pace = (_PRIOR * expected + elapsed) / (_PRIOR + self._share)
        later = sum(self._expected[part] for part in self._parts[self._place + 1 :])
        found = pace * (1 - self._share) + later
        return found if math.isnan(found) else max(_LEAST, found)

    def say(self) -> tuple[float, float, float | None]:
        """Seconds left; the share of the run that is over, which never falls; and how right this has been so far.

        The last is the largest relative error of what was said before, by what is known now; None at the beginning.
        """
        now, left = self._clock.now(), self.left()
        if math.isnan(left):
            return left, self._shown, None
        over = now - self._begun
        self._shown = max(self._shown, over / (over + left))
        if not self._said or now - self._said[-1][0] >= _APART * (over + left):
            self._said.append((now, left))
        truths = [(said, now - then + left) for then, said in self._said if now - then >= _WORTH * (over + left)]
        errors = [abs(said - truth) / truth for said, truth in truths if truth >= _WORTH * (over + left)]
        return left, self._shown, max(errors, default=None)
