"""What a plan may cost besides perplexity, held against what was measured of it: of tasks, and of speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import SelectionError, TargetMissed
from core.records.behaviour.traits import Traits
from core.records.plans import Plan


@dataclass(frozen=True)
class Limits:
    """What a plan may cost; nothing is asked where nothing is named."""

    most_lost: tuple[tuple[str, float], ...] = ()  # of a task, or of task/metric: points of accuracy, in percent
    least_speedup: float | None = None  # times as fast as the whole model, one text at a time

    def largest(self, plans: Sequence[Plan], known: Mapping[tuple[int, ...], Traits], run: str) -> Plan:
        """The plan of most removed players that keeps to all of it.

        Args:
            plans: the candidates.
            known: what was measured of each of them, and of the whole model, ().
            run: whose plans they are, for the commands of an error.

        Raises:
            SelectionError: something that decides was not measured.
            TargetMissed: no plan keeps to it.
        """
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
                counts = sorted(other.count for other in plans if other.count <= plan.count)
                raise SelectionError(
                    f"Of the plan of {plan.count}, this was not measured: {', '.join(missing)}.",
                    self._commands(run, counts, missing),
                )
            return plan
        near = f"The smallest one, {nearest[-1]}." if nearest else "None was left to choose from."
        raise TargetMissed("No plan keeps to these limits.", f"{near} Allow more, or search again for other plans.")

    def _missing(self, whole: Traits, traits: Traits) -> list[str]:
        """What was not measured of a plan, or not in the way in which the whole model was."""
        tasks = [task for task, _ in self.most_lost if _scores(task, whole, traits) is None]
        return [*tasks, *(["speed"] if self.least_speedup is not None and _faster(traits) is None else [])]

    def _commands(self, run: str, counts: Sequence[int], missing: Sequence[str]) -> str:
        """What measures it, of every plan that may still be the one."""
        tasks = ",".join(dict.fromkeys(name.partition("/")[0] for name in missing if name != "speed"))
        plans = " ".join(f"--plan {count}" for count in counts)
        return "Measure it: " + "; ".join(
            [
                *([f"python -m app tasks {run} {plans} --tasks {tasks}"] if tasks else []),
                *([f"python -m app speed {run} --plan {counts[-1]}"] if "speed" in missing else []),
            ]
        )


def _lost(task: str, points: float, whole: Traits, traits: Traits) -> str:
    """That a plan loses too much of a task, in words; empty where it does not, and where that is not known."""
    scores = _scores(task, whole, traits)
    if scores is None or 100 * (scores[0] - scores[1]) <= points:
        return ""
    return f"{task} loses {100 * (scores[0] - scores[1]):.1f} points"


def _scores(task: str, whole: Traits, traits: Traits) -> tuple[float, float] | None:
    """Accuracy of the whole model and of a plan on the same items, measured last; None where there is none of both."""
    name, _, metric = task.partition("/")
    for how, score in reversed(traits.task.items()):
        if score.task == name and how in whole.task:
            both = [
                next((one.value for one in of.metrics if one.name == (metric or "acc")), None)
                for of in (whole.task[how], score)
            ]
            if both[0] is not None and both[1] is not None:
                return both[0], both[1]
    return None


def _faster(traits: Traits) -> float | None:
    """Times as fast as the whole model, measured last."""
    last = next(reversed(traits.speed.values()), None)
    return None if last is None else last.speedups[0].latency.value
