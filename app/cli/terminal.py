"""The command line's two voices: a person's (text, a progress bar on a terminal) and a program's (one JSON object)."""

import json
import math
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

from app.cli.interruption import check
from app.words import labels, standing
from core.attribution.stability import stability
from core.checkpoint.memory import amount
from core.errors import QuorumError
from core.records.events import Downloading, Event, Partial, Progress, Searching, Stage
from core.records.results import RunResult

T = TypeVar("T")

_answers: ContextVar[TextIO | None] = ContextVar("answers", default=None)


@contextmanager
def answers_alone() -> Iterator[None]:
    """Has standard output for answers: what libraries print meanwhile, as gptqmodel does, goes to standard error."""
    before = _answers.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _answers.reset(before)


def follow(events: Iterator[Event]) -> Event:
    """Shows stages and progress on standard error, and returns the last event."""
    last: Event | None = None
    bar: tqdm[Any] | None = None
    loading: tqdm[Any] | None = None
    try:
        for event in events:
            check()
            before, last = last, event
            if loading is not None and not isinstance(event, Downloading):
                loading = loading.close()
            if isinstance(event, Stage) and event != before:
                tqdm.write(f"{event.text} …", file=sys.stderr)
            elif isinstance(event, Downloading):
                loading = loading or _loading(event)
                loading.update(event.done - loading.n)
            elif isinstance(event, Progress) and event.share is not None:
                if not isinstance(before, Progress) or before.part != event.part:
                    tqdm.write(f"{standing(event)} …", file=sys.stderr)
                bar = bar or _of_run(event)
                bar.set_postfix_str(standing(event), refresh=False)
                bar.update(event.share - bar.n)
            elif isinstance(event, Progress | Partial):
                cached = event.cached if isinstance(event, Progress) else 0
                bar = bar or tqdm(total=event.total, initial=cached, unit="", disable=None, file=sys.stderr)
                bar.update(event.done - bar.n)
            elif isinstance(event, Searching):
                bar = bar or tqdm(
                    total=1, bar_format="{percentage:3.0f}%|{bar}| {elapsed}", disable=None, file=sys.stderr
                )
                bar.update(min(1, event.share) - bar.n)
    finally:
        for shown in (bar, loading):
            if shown is not None:
                shown.close()
    assert last is not None  # every engine command ends with an event of its own
    return last


def returned(work: Generator[Event, None, T]) -> T:
    """Follows work whose answer is what it returns."""
    found: list[T] = []

    def told() -> Iterator[Event]:
        found.append((yield from work))

    follow(told())
    return found[0]


def _of_run(begun: Progress) -> "tqdm[Any]":
    """A bar of all that a run does."""
    form = "{percentage:3.0f}%|{bar}| {elapsed} {postfix}"
    return tqdm(total=1, initial=begun.share, bar_format=form, disable=None, file=sys.stderr)


def _loading(begun: Downloading) -> "tqdm[Any]":
    """A bar of bytes; where there is no terminal, one line that says how many will come."""
    if not sys.stderr.isatty():
        tqdm.write(f"Downloading {begun.model}: {amount(begun.total - begun.done)} …", file=sys.stderr)
    return tqdm(
        desc=f"Downloading {begun.model}",
        total=begun.total,
        initial=begun.done,
        unit="B",
        unit_scale=True,
        disable=None,
        file=sys.stderr,
    )


def announce(sentences: dict[str, str]) -> None:
    """What a request will take, on standard error."""
    for name, sentence in sentences.items():
        print(f"{name}: {sentence}", file=sys.stderr)


def say(as_json: bool, answer: dict[str, Any], text: str) -> None:
    """The answer to a command on standard output: one JSON object, or text."""
    print(json.dumps(_strict(answer), indent=2) if as_json else text, file=_answers.get())


def complain(as_json: bool, error: QuorumError) -> None:
    """An expected failure: text on standard error, and an object on standard output for a program."""
    print(f"error: {error.message}\n{error.hint}", file=sys.stderr)
    if as_json:
        kind = type(error).__name__
        print(json.dumps({"error": {"kind": kind, "message": error.message, "hint": error.hint}}))


def result_object(result: RunResult) -> dict[str, Any]:
    """The stable JSON form of a run's result (documented in docs/cli.md)."""
    label = labels(result.model.players)
    return {
        "run": result.run,
        "model": asdict(result.model),
        "protocol": asdict(result.protocol),
        "layers": result.model.layers,
        "strata": list(result.strata),
        "masks": result.masks,
        "dense_perplexity": result.dense_perplexity,
        "contributions": [
            {
                "layer": label[item.layer],
                "value": item.value,
                "low": item.low,
                "high": item.high,
                "calibration": item.calibration,
            }
            for item in result.overall
        ],
        "surrogate": asdict(result.surrogate),
        "precision": asdict(result.precision) if result.precision else None,
        "other_surrogates": [asdict(fit) for fit in result.others],
        "stability": asdict(stability(result)),
        "bands": [asdict(band) for band in result.bands],
        "not_finite": result.not_finite,
        "evaluations": {"measured": result.measured, "cached": result.cached},
        "seconds": result.seconds,
    }


def result_text(result: RunResult) -> str:
    """A run's result for a person to read: the layers from the least to the most needed."""
    fit, label = result.surrogate, labels(result.model.players)
    players = f", {len(label)} players" if label != list(range(result.model.layers)) else ""
    lines = [
        f"run {result.run}: {result.model.source} ({result.model.architecture}, {result.model.layers} layers{players}, "
        f"{result.model.dtype} on {result.model.device})",
        *([f"commit {result.model.commit} of the Hub"] if result.model.commit else []),
        f"measured on {result.protocol}",
        *([str(result.precision)] if result.precision else []),
        f"dense perplexity {result.dense_perplexity:.3f}; {result.measured} evaluations measured, "
        f"{result.cached} from the cache, {result.seconds:.0f} s",
        f"surrogate ({fit.name}) on {fit.masks} masks it has not seen: R2 {fit.r2:.3f}, Spearman {fit.spearman:.3f}, "
        f"MAE {fit.mae:.4f}",
        "the contributions are exact: every coalition was measured" if result.is_exact else str(stability(result)),
        *(
            f"90 % predictive interval with {band.sizes} kept: perplexity times or divided by "
            f"{band.factor:.2f}; held {band.coverage:.0%} of {band.masks} masks without a part in it"
            for band in result.bands
        ),
        "",
        "stratified contribution to the score PPL_dense / PPL, least needed first; 90 % intervals: masks, texts",
        "layer    value      low     high     text",
    ]
    ranked = sorted(result.overall, key=lambda item: item.value)
    lines += [
        f"{label[item.layer]:>5} {item.value:8.4f} {item.low:8.4f} {item.high:8.4f} {item.calibration:8.4f}"
        for item in ranked
    ]
    return "\n".join(lines)


def _strict(value: Any) -> Any:
    """JSON has no NaN and no infinity: both become null."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
