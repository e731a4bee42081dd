"""What plans can be held against each other by: each measure with what is known of it, plan by plan."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from core.checkpoint.size import BYTES
from core.records.behaviour.speeds import Pace, Speed
from core.records.behaviour.task_scores import OWN_TASKS, TaskScore
from core.records.behaviour.traits import Traits
from core.records.behaviour.writes import Predicts, Share
from core.records.results import RunResult

Removed = tuple[int, ...]  # none: the whole model
T = TypeVar("T")


@dataclass(frozen=True)
class Measure:
    """One axis that plans have a place on."""

    title: str  # with its unit
    least: bool  # whether less is better
    values: Mapping[Removed, float]
    how: str  # they were found
    log: bool = False
    errors: Mapping[Removed, float] = field(default_factory=dict)  # standard errors, where they are known


def measures(
    result: RunResult, perplexities: Mapping[Removed, float], known: Mapping[Removed, Traits]
) -> dict[str, Measure]:
    """By its name, every measure that two plans or more have a place on.

    Args:
        result: of the run.
        perplexities: measured on the run's text; the whole model's, too.
        known: what else was measured, of the same plans.
    """
    left = {removed: result.parameters_without(removed) for removed in perplexities}
    sizes = {removed: float(count) for removed, count in left.items() if count is not None}
    each = BYTES[result.model.dtype]
    found = {
        "perplexity": Measure("perplexity", True, perplexities, f"measured: {result.protocol}", log=True),
        "parameters": Measure("parameters, millions", True, _times(sizes, 1e-6), "computed"),
        "size": Measure("weights, MiB", True, _times(sizes, each / 2**20), f"computed, in {result.model.dtype}"),
        **_predicted(_of_text(result.protocol.corpus, known)),
        **_timed({removed: _alone(traits) for removed, traits in known.items()}),
        **_scored({removed: traits.task for removed, traits in known.items()}),
    }
    return {name: measure for name, measure in found.items() if len(measure.values) > 1}


def _of_text(corpus: str, known: Mapping[Removed, Traits]) -> dict[Removed, dict[str, Predicts]]:
    """What plans predict of unseen text of a corpus; of any text where nothing is known of that."""
    every = {removed: traits.predicts for removed, traits in known.items()}
    own = {
        removed: {how: one for how, one in found.items() if one.protocol.corpus == corpus}
        for removed, found in every.items()
    }
    return own if any(own.values()) else every


def _predicted(known: Mapping[Removed, Mapping[str, Predicts]]) -> dict[str, Measure]:
    how, seen = _commonest(known)
    agreed = {removed: one.agreement.top1 for removed, one in seen.items()}
    words = {removed: one.pruned_words for removed, one in seen.items()}
    if seen:
        first = next(iter(seen.values()))
        agreed[()], words[()] = Share(1.0, 0.0, first.agreement.top1.of), first.whole_words
    return {
        "agreement": _of_shares("same likeliest token, %", agreed, how),
        "words": _of_shares("last words found, %", words, how),
    }


def _of_shares(title: str, shares: Mapping[Removed, Share], how: str) -> Measure:
    some = {removed: share for removed, share in shares.items() if share.of}
    values, errors = ({key: getattr(one, name) for key, one in some.items()} for name in ("value", "error"))
    return Measure(title, False, _times(values, 100), f"measured on unseen text: {how}", errors=_times(errors, 100))


def _alone(traits: Traits) -> dict[str, Speed]:
    """The timings of one text at a time."""
    return {how: speed for how, speed in traits.speed.items() if speed.single is not None}


def _timed(known: Mapping[Removed, Mapping[str, Speed]]) -> dict[str, Measure]:
    how, seen = _commonest(known)
    last = next(reversed(seen.values())) if seen else None  # of whose whole model the other measures are

    def of(take: Callable[[Pace], float]) -> dict[Removed, float]:
        found = {removed: take(speed.smaller.paces[speed.single or 0]) for removed, speed in seen.items()}
        return found | ({(): take(last.whole.paces[last.single or 0])} if last else {})

    faster = {removed: speed.speedups[speed.single or 0].latency.value for removed, speed in seen.items()}
    how = f"measured: {how}"
    return {
        "speedup": Measure("times as fast as the whole model", False, faster | ({(): 1.0} if last else {}), how),
        "latency": Measure("seconds a text", True, of(lambda pace: pace.latency.mean), how),
        "throughput": Measure("new tokens a second", False, of(lambda pace: pace.throughput), how),
    }


def _scored(known: Mapping[Removed, Mapping[str, TaskScore]]) -> dict[str, Measure]:
    """By task and metric; what was asked of fewer plans in another way also by its items and examples."""
    found: dict[str, Measure] = {}
    for task in dict.fromkeys(score.task for scores in known.values() for score in scores.values()):
        of_task = {
            removed: {how: score for how, score in scores.items() if score.task == task}
            for removed, scores in known.items()
        }
        for place, (how, seen) in enumerate(_by_way(of_task)):
            first = next(iter(seen.values()))
            which, words = "", ""
            if place:
                which = f"-{first.items}-{first.shots}-{first.digest[:4]}"
                words = f", {first.items} items, {first.shots}-shot"
            for metric in first.metrics:
                title = f"{task}, {metric.name}{words}"
                found[f"{task}-{metric.name}{which}"] = _of_metric(task, metric.name, title, how, seen)
    return found


def _of_metric(task: str, metric: str, words: str, how: str, seen: Mapping[Removed, TaskScore]) -> Measure:
    least, share = metric.endswith("perplexity"), metric.startswith(("acc", "exact"))
    times = 100 if share else 1
    own = {removed: one for removed, score in seen.items() for one in score.metrics if one.name == metric}
    values = {removed: one.value * times for removed, one in own.items()}
    errors = {removed: one.error * times for removed, one in own.items() if one.error is not None}
    told = f"measured by {'Quorum' if task in OWN_TASKS else 'lm-eval'}'s metrics: {how}"
    return Measure(f"{words}{', %' if share else ''}", least, values, told, log=least, errors=errors)


def _commonest(known: Mapping[Removed, Mapping[str, T]]) -> tuple[str, dict[Removed, T]]:
    """What was measured in one and the same way of most plans; nothing where nothing was."""
    return next(iter(_by_way(known)), ("", {}))


def _by_way(known: Mapping[Removed, Mapping[str, T]]) -> list[tuple[str, dict[Removed, T]]]:
    """What was measured in each way, that of most plans first."""
    ways = Counter(how for found in known.values() for how in found).most_common()
    return [(how, {removed: found[how] for removed, found in known.items() if how in found}) for how, _ in ways]


def _times(values: Mapping[Removed, float], factor: float) -> dict[Removed, float]:
    return {removed: factor * value for removed, value in values.items()}
