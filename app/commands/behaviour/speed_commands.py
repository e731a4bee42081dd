"""The command that times a smaller model beside the whole one."""

import argparse
from dataclasses import asdict

from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, say
from app.commands.export_commands import chosen, finished
from core.checkpoint.memory import amount
from core.coalitions.players import names
from core.paths import user_path
from core.records.behaviour.speeds import Ratio, Speed, SpeedProtocol, Spread
from core.records.events import Timed


def speed(options: argparse.Namespace) -> None:
    """Prefill, decode, throughput and memory of both, in turn."""
    how = SpeedProtocol(options.prompt, options.tokens, options.runs, options.warm_up, options.batches)
    how.check()
    database = database_of(options)
    result, spec = finished(database, options.run)
    removed = () if options.folder else chosen(database, options, result)
    folder = str(user_path(options.folder).resolve()) if options.folder else None
    done = follow(engine_on(database).time(spec, removed, how, folder))
    assert isinstance(done, Timed)
    model, found, gone = done.model, done.speed, names(done.model.players, done.removed)
    smaller = f"beside {folder}" if folder else f"beside itself without layers {','.join(map(str, gone))}"
    answer = {
        "run": result.run,
        "removed": gone,
        "folder": folder,
        "protocol": asdict(how),
        "machine": {"device": model.device, "dtype": model.dtype, "threads": found.threads},
        "whole": asdict(found.whole),
        "smaller": asdict(found.smaller),
        "speedups": [asdict(speedup) for speedup in found.speedups],
    }
    lines = [
        f"{model.source} {smaller}, measured on {model.device} ({found.threads} threads), {model.dtype}",
        f"{how}; ± of a ratio is its standard error",
        "",
        *table(found),
    ]
    say(options.json, answer, "\n".join(lines))


def table(found: Speed) -> list[str]:
    """Rows of both models and of the whole one's figure divided by the smaller one's, with its standard error."""
    sizes = [(paces.parameters, paces.weight_bytes) for paces in (found.whole, found.smaller)]
    lines = [
        _row("", "whole", "smaller", "whole / smaller"),
        _row("parameters", *(f"{parameters:,}" for parameters, _ in sizes), _ratio(*(size[0] for size in sizes))),
        _row("weights", *(amount(held) for _, held in sizes), _ratio(*(size[1] for size in sizes))),
    ]
    for whole, smaller, speedup in zip(found.whole.paces, found.smaller.paces, found.speedups, strict=True):
        lines += ["", f"batch {whole.batch}"]
        for name in ("latency", "prefill", "decode"):
            spreads: list[Spread] = [getattr(pace, name) for pace in (whole, smaller)]
            ratio: Ratio = getattr(speedup, name)
            times = f"{ratio.value:.2f} ± {ratio.error:.2f}"
            lines.append(_row(f"{name}, ms", *(_milliseconds(spread) for spread in spreads), times))
        rates = whole.throughput, smaller.throughput  # whose ratio is latency's, the other way round
        lines.append(_row("new tokens a second", *(f"{rate:,.4g}" for rate in rates), ""))
        lines.append(_memory("peak memory", whole.peak_bytes, smaller.peak_bytes, "not told by this device"))
        lines.append(_memory("keys and values", whole.cache_bytes, smaller.cache_bytes, "none"))
    return lines


def _memory(name: str, whole: int | None, smaller: int | None, nothing: str) -> str:
    shown = (nothing if held is None else amount(held) for held in (whole, smaller))
    return _row(name, *shown, _ratio(whole, smaller) if whole and smaller else "")


def _milliseconds(spread: Spread) -> str:
    return f"{1000 * spread.mean:,.1f} ± {1000 * spread.sd:,.1f}"


def _ratio(whole: float, smaller: float) -> str:
    return f"{whole / smaller:.2f}"


def _row(name: str, *cells: str) -> str:
    whole, smaller, ratio = cells
    return f"{name:20s}{whole:>24s}{smaller:>24s}{ratio:>17s}".rstrip()
