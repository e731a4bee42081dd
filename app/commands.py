"""The commands of `python -m app`. Each takes parsed options and prints one answer."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app.terminal import follow, result_object, result_text, say
from cache import queries
from cache.database import Database, default_file
from cache.store import Store
from core.choices import Plan
from core.errors import RunNotFound
from core.events import Compared, Exported, Finished, Measured, Selected
from core.measurements import Measurements
from core.paths import user_path
from core.results import LayerValues, PairInteractions, RunResult
from core.selection import Request, Target, least_contributing
from core.types import RunSpec, TextSpec

if TYPE_CHECKING:
    from core.engine import Engine

# A smaller share of extrapolation is not worth a line.
_NOTICEABLE = 0.005
ROOT = Path(__file__).resolve().parent.parent


def run(options: argparse.Namespace, spec: RunSpec) -> None:
    """Measures and estimates; started again, it goes on where it was."""
    finished = follow(_engine(_database(options)).run(spec))
    assert isinstance(finished, Finished)
    say(options.json, result_object(finished.result), result_text(finished.result))


def runs(options: argparse.Namespace) -> None:
    """Lists the runs."""
    database = _database(options)
    found = [queries.settled(database, run) for run in queries.runs(database)]
    rows = [_summary(run) for run in found]
    lines = [
        f"{run.run}  {run.status:11s}  {run.started:%Y-%m-%d %H:%M}  {run.spec.model}  {run.spec.corpus}, "
        f"{run.spec.masks} masks"
        for run in found
    ]
    say(options.json, {"runs": rows}, "\n".join(lines) or f"No runs in {database.file} yet: python -m app run")


def show(options: argparse.Namespace) -> None:
    """Shows one run; of one that is not finished, what it has found so far."""
    found = queries.find_run(_database(options), options.run)
    text = f"run {found.run} is {found.status}" + (f": {found.message}" if found.message else "")
    answer = _summary(found)
    if found.result is not None:
        answer |= result_object(found.result)
        text += "\n" + result_text(found.result)
    else:
        text += "\nIt has no contributions yet; run it again to go on."
    say(options.json, answer, text)


def values(options: argparse.Namespace) -> None:
    """One kind of value of every layer, from everything measured in the run's game."""
    from core.estimates import layer_values

    database = _database(options)
    run = queries.find_run(database, options.run)
    found = layer_values(_worths(database, run, options.worth), options.value, options.worth, run.strata, run.spec.seed)
    lines = [
        f"{found.kind} value of {found.worth}, least first; 90 % interval of the surrogate's posterior",
        *_basis(found),
    ]
    lines += [
        f"{item.layer:5d} {item.value:9.4f} {item.low:9.4f} {item.high:9.4f}"
        for item in sorted(found.values, key=lambda item: item.value)
    ]
    say(options.json, {"run": run.run, **asdict(found)}, "\n".join(lines))


def interactions(options: argparse.Namespace) -> None:
    """The interaction of every pair of layers, the strongest first."""
    from core.estimates import pair_interactions

    database = _database(options)
    run = queries.find_run(database, options.run)
    found = pair_interactions(_worths(database, run, options.worth), options.value, options.worth, run.spec.seed)
    pairs = [{**asdict(pair), "meaning": pair.meaning} for pair in found.pairs]
    lines = [
        f"{found.kind} interactions in {found.worth}, strongest first; 90 % interval of the posterior",
        *_basis(found),
    ]
    lines += [
        f"{pair.first:3d} {pair.second:3d} {pair.value:9.4f} {pair.low:9.4f} {pair.high:9.4f}  {pair.meaning}"
        for pair in found.pairs[: options.top]
    ]
    say(options.json, {"run": run.run, **asdict(found), "pairs": pairs}, "\n".join(lines))


def predict(options: argparse.Namespace) -> None:
    """What the surrogate expects without some layers, and which of them it blames."""
    from core.prediction import predict as predicted

    database = _database(options)
    run = queries.find_run(database, options.run)
    found = predicted(queries.measurements(database, run), options.remove, run.spec.seed)
    band = found.band
    lines = [
        f"perplexity {found.perplexity:.2f} without layers {','.join(map(str, found.removed))}: predicted, not measured"
        + (", extrapolated: far from every coalition that was measured" if found.extrapolated else ""),
        f"90 % predictive interval {found.low:.2f} to {found.high:.2f}; with {band.fewest} to {band.most} layers kept, "
        f"it held {band.coverage:.0%} of {band.masks} masks without a part in it",
        "what each removed layer takes from the log score, nats a token:",
        *(f"{share.layer:5d} {share.value:9.4f}" for share in sorted(found.shares, key=lambda share: share.value)),
    ]
    say(options.json, {"run": run.run, **asdict(found)}, "\n".join(lines))


def compare(options: argparse.Namespace, spec: RunSpec) -> None:
    """Ours and the rivals: each chooses on the calibration windows, and all are judged on others."""
    from core.comparison import Match

    match = Match(options.methods, options.counts, options.units, options.protect)
    done = follow(_engine(_database(options)).compare(spec, match))
    assert isinstance(done, Compared)
    found = done.comparison
    counts = sorted({plan.count for method in found.methods for plan in method.plans})
    lines = [
        f"perplexity of {found.model.source} on {found.evaluation}",
        f"chosen on {found.calibration}; dense perplexity {found.dense_perplexity:.2f}",
        "compute in units of SLEB's path to two fifths of the layers: as published, and here, with shared prefixes",
        f"{'removed':12s}{''.join(f'{count:10d}' for count in counts)}  coalitions     units      here",
    ]
    for method in found.methods:
        by_count = {plan.count: f"{plan.perplexity:10.2f}" for plan in method.plans}
        row = "".join(by_count.get(count, f"{'':10s}") for count in counts)
        lines.append(f"{method.method:12s}{row}  {method.coalitions:10d}  {method.units:8.2f}  {method.spent:8.2f}")
    say(options.json, asdict(found), "\n".join(lines))


def perplexity(options: argparse.Namespace) -> None:
    """Measures perplexity on a text as one stream, by the model's own forward with the removed layers skipped."""
    spec = RunSpec(model=options.model, dtype=options.dtype, device=options.device)
    text = TextSpec(options.corpus, "whole", options.window, options.windows, options.bos)
    found = follow(_engine(_database(options)).measure(spec, text, options.remove, kl=options.kl))
    assert isinstance(found, Measured)
    answer = {
        "perplexity": found.perplexity,
        "mean_nll": found.mean_nll,
        "kl": found.kl,
        "tokens": found.protocol.predicted,
        "removed": list(found.removed),
        "protocol": asdict(found.protocol),
        "model": asdict(found.model),
    }
    without = f" without layers {', '.join(map(str, found.removed))}" if found.removed else ""
    kl = f"\nKL from the whole model's predictions: {found.kl:.4f} nats a token" if found.kl is not None else ""
    sentence = (
        f"perplexity {found.perplexity:.4f} ({found.mean_nll:.4f} nats a token over {found.protocol.predicted:,} "
        f"tokens){without}{kl}\n{found.model.source}, {found.model.dtype} on {found.model.device}\n{found.protocol}"
    )
    say(options.json, answer, sentence)


def select(options: argparse.Namespace) -> None:
    """The best removals of every count, or for one target; from the last search if it was as large as is asked for."""
    database = _database(options)
    run = queries.find_run(database, options.run)
    target = Target(options.count, options.ratio, options.parameters, options.max_increase)
    request = Request(options.units, options.most, options.protect)
    found = queries.selection(database, run.run, request.protected)
    if found is None or found.units < request.units or len(found.plans) < (request.most or 0):
        done = follow(_engine(database).select(run.run, run.spec, request))
        assert isinstance(done, Selected)
        found = done.selection
    plans, path = target.choose(found), found.nested
    text = [
        f"run {run.run}: {found.model.source}; {found.coalitions} coalitions looked at for {found.spent:.2f} units",
        f"measured on {found.protocol}",
        f"dense perplexity {found.dense_perplexity:.3f}; 90 % intervals for other text of this kind",
        "removed  perplexity      low     high   parameters  layers",
        *_rows(plans),
    ]
    if len(plans) == len(found.plans):
        text += ["", "nested, each holds the one before", *_rows(path)]
    say(options.json, {"run": run.run, **asdict(found), "plans": [asdict(plan) for plan in plans]}, "\n".join(text))


def _worths(database: Database, run: queries.StoredRun, worth: str) -> Measurements:
    """What a worth is made of; KL is measured when it is first asked for."""
    if worth != "kl":
        return queries.measurements(database, run)
    follow(_engine(database).diverge(run.spec))
    return queries.divergences(database, run)


def _rows(plans: Sequence[Plan]) -> list[str]:
    return [
        f"{plan.count:7d} {plan.perplexity:11.3f} {plan.low:8.2f} {plan.high:8.2f} {plan.parameters:12,d}  "
        f"{','.join(map(str, plan.removed))}"
        for plan in plans
    ]


def export(options: argparse.Namespace) -> None:
    """Writes a pruned model, loads it again and measures it."""
    database = _database(options)
    result, spec = _finished(database, options.run)
    removed = options.remove or least_contributing(result.overall, options.count)
    done = follow(_engine(database).export(result, spec, removed, options.out))
    assert isinstance(done, Exported)
    answer = {
        "path": done.path,
        "removed": list(done.removed),
        "perplexity": done.perplexity,
        "verified": True,  # export raises otherwise, and leaves nothing at the path
        "protocol": asdict(done.protocol),
    }
    text = (
        f"{done.path}: layers {', '.join(map(str, done.removed))} removed; loaded again with transformers, "
        f"perplexity {done.perplexity:.4f}, equal to the masked model's\n{done.protocol}"
    )
    say(options.json, answer, text)


def doctor(options: argparse.Namespace) -> int:
    """Checks the installation; the exit status is 1 if something is wrong."""
    from app.doctor import examine

    checks = examine(_file(options))
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}" for check in checks]
    lines += [f"\n{check.name}: {check.hint}" for check in checks if not check.ok]
    healthy = all(check.ok for check in checks)
    say(options.json, {"ok": healthy, "checks": [asdict(check) for check in checks]}, "\n".join(lines))
    return 0 if healthy else 1


def serve(options: argparse.Namespace) -> NoReturn:
    """Starts the dashboard; its other settings are in app/.streamlit/config.toml."""
    _database(options)  # a results file that cannot be used is said here, not in the browser
    arguments = [f"--server.port={options.port}", f"--server.address={options.address}"]
    environment = {**os.environ, "QUORUM_CACHE": str(_file(options))}
    server = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "server.py"), *arguments]
    os.execve(sys.executable, server, environment)  # signals then reach the server itself


def _file(options: argparse.Namespace) -> Path:
    return user_path(options.cache or default_file()).resolve()


def _database(options: argparse.Namespace) -> Database:
    return Database(_file(options))


def _engine(database: Database) -> "Engine":
    """The engine, with torch behind it: imported only by the commands that compute."""
    from app.libraries import quiet
    from core.engine import Engine

    quiet()
    return Engine(Store(database))


def _finished(database: Database, name: str) -> tuple[RunResult, RunSpec]:
    found = queries.find_run(database, name)
    if found.result is None or found.status != "finished":
        raise RunNotFound(f"Run {found.run} is {found.status}, not finished.", "Finish it first: start it again.")
    return found.result, replace(found.spec, dtype=found.result.model.dtype)


def _summary(run: queries.StoredRun) -> dict[str, object]:
    return {
        "run": run.run,
        "status": run.status,
        "message": run.message,
        "started": run.started.isoformat(),
        "spec": asdict(run.spec),
    }


def _basis(found: LayerValues | PairInteractions) -> list[str]:
    """What an estimate rests on."""
    fit = found.surrogate
    if fit is None:
        return ["exact: every coalition has been measured"]
    lines = [f"{fit.name}: R2 of the score {fit.r2:.3f} on {fit.masks} masks it has not seen"]
    if found.extrapolated > _NOTICEABLE:
        lines.append(
            f"extrapolated: {found.extrapolated:.0%} of it rests on numbers of kept layers that were never measured"
        )
    return lines
