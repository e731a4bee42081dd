"""The one figure for what a run still takes, on clocks that run as they are told."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from core.run.remaining import PARTS, Clock, Part, Remaining


class Time:
    """Seconds that pass when somebody says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


TRUTH: dict[Part, float] = {
    **{"coalitions": 300.0, "fit": 6.0, "search": 110.0},
    **{"predictions": 20.0, "precision": 12.0, "surrogates": 60.0},
}


def told(thought: dict[Part, float], truth: dict[Part, float], steps: int = 50) -> Iterator[tuple[float, ...]]:
    """What is said on the way of parts that take what `truth` says: (true seconds left, said, share, within)."""
    time = Time()
    remaining = Remaining(tuple(truth), Clock(time))
    for part, seconds in thought.items():
        remaining.expect(part, seconds)
    every = sum(truth.values())
    for part, seconds in truth.items():
        begun = time.now
        for step in range(steps):
            time.now = begun + seconds * step / steps
            remaining.at(part, step / steps)
            left, share, within = remaining.say()
            yield every - time.now, left, share, math.nan if within is None else within
        time.now = begun + seconds


def test_expectations_that_are_right_are_said() -> None:
    for truth, said, _, within in told(TRUTH, TRUTH):
        assert said == pytest.approx(max(truth, 1.0))
        assert math.isnan(within) or within < 1e-9


@pytest.mark.parametrize("wrong", [0.5, 0.8, 1.3, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_figure_comes_near_whatever_was_thought_of_the_coalitions(wrong: float, seed: int) -> None:
    """Of the other parts, each is thought to take between 25 % less and a third more."""
    rng = np.random.default_rng(seed)
    thought = {part: seconds * np.exp(rng.uniform(-0.29, 0.29)) for part, seconds in TRUTH.items()}
    every = sum(TRUTH.values())
    for truth, said, _, _ in told(thought | {"coalitions": wrong * TRUTH["coalitions"]}, TRUTH):
        if 0.1 * every <= truth <= 0.6 * every:
            assert abs(said / truth - 1) < 0.35, (truth, said)


def test_how_right_it_has_been_is_the_truth_in_the_end() -> None:
    """The error of the worst statement, by somebody who has kept them all and looks at them afterwards."""
    thought = TRUTH | {"search": 30.0, "surrogates": 120.0}
    said = list(told(thought, TRUTH, steps=200))
    every = sum(TRUTH.values())
    worst = max(abs(left - truth) / truth for truth, left, *_ in said if 0.1 * every <= truth <= 0.99 * every)
    assert said[-1][3] == pytest.approx(worst, rel=0.15)


def test_nothing_is_over_before_it_is() -> None:
    """A part that lasts ten times as long as was thought, and never says how far it is."""
    time = Time()
    remaining = Remaining(("coalitions", "surrogates"), Clock(time))
    remaining.expect("coalitions", 10.0)
    remaining.expect("surrogates", 10.0)
    lefts = []
    for second in range(200):
        time.now = float(second)
        remaining.at("surrogates" if second > 10 else "coalitions", 0.0 if second > 10 else second / 11)
        left, share, _ = remaining.say()
        assert left >= 1.0 and share < 1.0
        lefts.append(left)
    assert lefts[-1] > 10.0, "it is given longer the longer it takes"


def test_the_bar_never_goes_back() -> None:
    thought = TRUTH | {"coalitions": 3.0, "search": 1.0}
    shares = [share for _, _, share, _ in told(thought, TRUTH)]
    assert shares == sorted(shares) and shares[0] >= 0 and 0.98 < shares[-1] < 1


def test_what_is_not_known_is_not_said() -> None:
    time = Time()
    remaining = Remaining(PARTS, Clock(time))
    remaining.at("coalitions", 0.0)
    assert math.isnan(remaining.say()[0]) and remaining.say()[2] is None
    for part in PARTS[1:]:
        remaining.expect(part, 10.0)
    time.now = 5.0
    assert math.isnan(remaining.say()[0]), "nobody knows how fast coalitions are"
    remaining.at("coalitions", 0.1)
    assert remaining.say()[0] == pytest.approx(45 + 50)


def test_the_clock_stands_still_while_others_are_served() -> None:
    time = Time()
    clock = Clock(time)
    time.now = 3.0
    with clock.standing():
        time.now = 100.0
    time.now = 101.0
    assert clock.now() == 4.0
