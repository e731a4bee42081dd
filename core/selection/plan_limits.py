"""What a plan may cost besides perplexity, held against what was measured of it: of tasks, and of speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import SelectionError, TargetMissed
from core.records.behaviour.traits import Traits, measured_by
from core.records.plans import Plan


@dataclass(frozen=True)
class Limits:
    """What a plan may cost; nothing is asked where nothing is named."""

    most_lost: tuple[tuple[str, float], ...] = ()  # of a task, or of task/metric: points of accuracy, in percent
    least_speedup: float | None = None  # times as fast as the whole model, one text at a time

    def largest(
        self, plans: Sequence[Plan], known: Mapping[tuple[int, ...], Traits], run: str, players: Sequence[str]
    ) -> Plan:
        """The plan of most removed players that keeps to all of it.

        Args:
            plans: the candidates.
            known: what was measured of each of them, and of the whole model, ().
            run: whose plans they are, and
            players: their names, for the commands of an error.

        Raises:
            SelectionError: a metric that is no accuracy of its task, or something that decides was not measured.
            TargetMissed: no plan keeps to it.
        """
        for task, _ in self.most_lost:
            _check(task, known[()])
        nearest = []
        for plan in sorted(plans, key=lambda plan: -plan.count):
            traits = known[plan.removed]
            broken = [words for task, points in self.most_lost if (words := _lost(task, points, known[()], traits))]
            if self.least_speedup is not None and (faster := _faster(traits)) is not None:
                broken += [f"{faster:.2f} times as fast"] if faster < self.least_speedup else []
            if broken:
                nearest.append(f"without {plan.count}: {', '.join(broken)}")
                continue
            if missing := self._missing(known[()], traits):
                left = [other for other in plans if other.count <= plan.count]
                raise SelectionError(
                    f"Of the plan of {plan.count}, this was not measured: {', '.join(missing)}.",
                    _commands(run, left, missing, players),
                )
            return plan
        near = f"The smallest one, {nearest[-1]}." if nearest else "None was left to choose from."
        raise TargetMissed("No plan keeps to these limits.", f"{near} Allow more, or search again for other plans.")

    def _missing(self, whole: Traits, traits: Traits) -> list[str]:
        """What was not measured of a plan, or not in the way in which the whole model was."""
        tasks = [task for task, _ in self.most_lost if _scores(task, whole, traits) is None]
        return [*tasks, *(["speed"] if self.least_speedup is not None and _faster(traits) is None else [])]

    def figures(self, plan: Plan, known: Mapping[tuple[int, ...], Traits]) -> list[str]:
        """What of a plan that keeps to the limits decided, and how it was measured."""
        told = []
        for task, _ in self.most_lost:
            if (found := _scores(task, known[()], known[plan.removed])) is not None:
                how, whole, left = found
                told.append(f"{task}: {left:.1%} instead of {whole:.1%} ({how})")
        speed = known[plan.removed].faster
        if self.least_speedup is not None and speed is not None:
            told.append(f"{_faster(known[plan.removed]):.2f} times as fast ({measured_by(speed)})")
        return told


def _check(task: str, whole: Traits) -> None:
    """SelectionError for a metric that is no accuracy, or that a task has not."""
    name, slash, metric = task.partition("/")
    known = {one.name for score in whole.task.values() if score.task == name for one in score.metrics}
    if (slash and not metric.startswith("acc")) or (known and (metric or "acc") not in known):
        there = ", ".join(sorted(one for one in known if one.startswith("acc"))) or "acc, acc_norm"
        raise SelectionError(f"{task} names no accuracy.", f"Name a task, or task/metric: {there}.")


def _commands(run: str, plans: Sequence[Plan], missing: Sequence[str], players: Sequence[str]) -> str:
    """What measures it, of every plan that may still be the one."""
    tasks = ",".join(dict.fromkeys(name.partition("/")[0] for name in missing if name != "speed"))
    removals = [f"--remove {','.join(players[place] for place in plan.removed)}" for plan in plans]
    commands = [
        *([f"python -m app tasks {run} {' '.join(removals)} --tasks {tasks}"] if tasks else []),
        *([f"python -m app speed {run} {removals[-1]}"] if "speed" in missing else []),
    ]
    same = ", with the --data, --limit and --shots of the other models" if tasks else ""
    return f"Measure it{same}: {'; '.join(commands)}"


def _lost(task: str, points: float, whole: Traits, traits: Traits) -> str:
    """That a plan loses too much of a task, in words; empty where it does not, and where that is not known."""
    found = _scores(task, whole, traits)
    if found is None or 100 * (found[1] - found[2]) <= points:
        return ""
    return f"{task} loses {100 * (found[1] - found[2]):.1f} points"


def _scores(task: str, whole: Traits, traits: Traits) -> tuple[str, float, float] | None:
    """How it was measured, and the accuracy of the whole model and of a plan on the same items; None without both."""
    name, _, metric = task.partition("/")
    for how, score in reversed(traits.task.items()):
        if score.task == name and how in whole.task:
            both = [
                next((one.value for one in of.metrics if one.name == (metric or "acc")), None)
                for of in (whole.task[how], score)
            ]
            if both[0] is not None and both[1] is not None:
                return how, both[0], both[1]
    return None


def _faster(traits: Traits) -> float | None:
    """Times as fast as the whole model, one text at a time, measured last."""
    speed = traits.faster
    return None if speed is None else speed.speedups[speed.single or 0].latency.value
