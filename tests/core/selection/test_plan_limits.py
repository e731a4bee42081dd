"""The plan that keeps to all limits is the largest one by brute force; what decides and was not measured is named."""

from dataclasses import replace
from itertools import product

import pytest

from core.errors import SelectionError, TargetMissed
from core.records.behaviour.speeds import Pace, Paces, Ratio, Speed, SpeedProtocol, Speedup, Spread
from core.records.behaviour.task_scores import Metric, TaskScore
from core.records.behaviour.traits import Traits, measured_by
from core.records.plans import Plan
from core.selection.plan_limits import Limits

PLANS = [Plan(count, tuple(range(count)), 1000 - count, 10.0 + count, 0, 0, 1, 1, 1) for count in (1, 2, 3, 4)]


NAMES = tuple(map(str, range(6)))


def task(accuracy: float, name: str = "piqa", items: int = 50) -> TaskScore:
    return TaskScore(name, "1", 0, "test", items, "file", (Metric("acc", accuracy, 0.1), Metric("acc_norm", 1.0, 0.1)))


def speed(faster: float, batches: tuple[int, ...] = (1,)) -> Speed:
    spread = Spread(1.0, 0.1)
    paces = Paces(1, 1, tuple(Pace(batch, spread, spread, spread, 1.0, None, None) for batch in batches))
    ratios = {batch: Ratio(faster if batch == 1 else 9.0, 0.01) for batch in batches}
    speedups = tuple(Speedup(batch, *[ratio] * 3) for batch, ratio in ratios.items())
    return Speed(SpeedProtocol(batches=batches), "cpu", 1, paces, paces, speedups)


def traits(*measured: TaskScore | Speed) -> Traits:
    found = Traits()
    for one in measured:
        (found.task if isinstance(one, TaskScore) else found.speed)[measured_by(one)] = one
    return found


def test_the_largest_that_keeps_to_all() -> None:
    accuracies, speeds = (0.69, 0.70, 0.66, 0.60), (1.1, 1.2, 1.15, 1.4)
    known = {(): traits(task(0.7))} | {
        plan.removed: traits(task(accuracy), speed(faster))
        for plan, accuracy, faster in zip(PLANS, accuracies, speeds, strict=True)
    }
    for points, least in product((None, 0.5, 2.0, 5.0, 20.0), (None, 1.0, 1.12, 1.18, 1.3, 2.0)):
        fit = [
            plan
            for plan, accuracy, faster in zip(PLANS, accuracies, speeds, strict=True)
            if (points is None or 0.7 - accuracy <= points / 100 + 1e-12) and (least is None or faster >= least)
        ]
        limits = Limits((("piqa", points),) if points is not None else (), least)
        if fit:
            assert limits.largest(PLANS, known, "run", NAMES) == fit[-1]
        else:
            with pytest.raises(TargetMissed, match="No plan keeps"):
                limits.largest(PLANS, known, "run", NAMES)


def test_what_decides_and_was_not_measured_is_named_with_its_command() -> None:
    limits = Limits((("piqa", 2.0), ("arc_easy/acc_norm", 1.0)), 1.2)
    known = {(): traits(task(0.7), task(0.5, "arc_easy"))} | {plan.removed: traits() for plan in PLANS}
    known[PLANS[3].removed] = traits(task(0.1))  # fails already, whatever else it is
    known[PLANS[2].removed] = traits(task(0.7, items=20))  # of other items than the whole model's
    with pytest.raises(SelectionError, match=r"Of the plan of 3.*piqa, arc_easy/acc_norm, speed") as raised:
        limits.largest(PLANS, known, "ab12", NAMES)
    assert "python -m app tasks ab12 --remove 0 --remove 0,1 --remove 0,1,2 --tasks piqa,arc_easy" in raised.value.hint
    assert "python -m app speed ab12 --remove 0,1,2" in raised.value.hint


def test_another_metric_and_the_newest_of_common_ways() -> None:
    old, new = task(0.9, items=10), task(0.2, items=30)
    known = {(): traits(old, replace(new, metrics=(Metric("acc", 0.9, 0.1),)))} | {
        plan.removed: traits(old, new) for plan in PLANS
    }
    with pytest.raises(TargetMissed, match="No plan keeps"):
        Limits((("piqa", 5.0),)).largest(PLANS, known, "run", NAMES)
    assert Limits((("piqa/acc_norm", 5.0),)).largest(PLANS, known, "run", NAMES) == PLANS[-1]


@pytest.mark.parametrize("name", ["piqa/perplexity", "piqa/foo", "piqa/acc_mutual"])
def test_what_is_no_accuracy_of_a_task_is_named(name: str) -> None:
    known = {(): traits(task(0.7))} | {plan.removed: traits(task(0.7)) for plan in PLANS}
    with pytest.raises(SelectionError, match="names no accuracy") as raised:
        Limits(((name, 2.0),)).largest(PLANS, known, "run", NAMES)
    assert "acc, acc_norm" in raised.value.hint


def test_speed_is_of_one_text_at_a_time_whatever_else_was_timed() -> None:
    known = {(): traits()} | {plan.removed: traits(speed(1.3, (8, 1))) for plan in PLANS}
    known[PLANS[3].removed] = traits(speed(1.1), speed(1.5, (8, 32)))
    limits = Limits(least_speedup=1.2)
    assert limits.largest(PLANS, known, "run", NAMES) == PLANS[2]
    [told] = limits.figures(PLANS[2], known)
    assert told.startswith("1.30 times as fast (cpu, 1 threads") and "8, 1 texts at a time" in told
    known[PLANS[3].removed] = traits(speed(1.5, (8, 32)))
    with pytest.raises(SelectionError, match="this was not measured: speed"):
        limits.largest(PLANS, known, "run", NAMES)


def test_scores_of_other_items_under_one_name_are_never_compared() -> None:
    other = replace(task(0.9), digest="another file of that name")
    known = {(): traits(other)} | {plan.removed: traits(task(0.7)) for plan in PLANS}
    with pytest.raises(SelectionError, match="not measured: piqa"):
        Limits((("piqa", 99.0),)).largest(PLANS, known, "run", NAMES)
