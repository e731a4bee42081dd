"""The commands of `python -m app`. Each takes parsed options and prints one answer."""

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from app.cli.best_plans import plans_of
from app.cli.compensated import asked_compensation, compensation_object, compensation_text
from app.cli.opening import asked_run, database_of, engine_on, file_of
from app.cli.terminal import announce, follow, result_object, result_text, say
from app.example import shipped
from app.foresight import foresee, sentences
from app.root import ROOT
from app.words import labels
from cache import evaluations, queries
from cache.basis import Basis, asked, counted
from cache.database import Database
from cache.imports import imports
from core.coalitions.measurements import Measurements
from core.coalitions.players import both_halves, names
from core.coalitions.worth import DIVERGENCES, WORTHS
from core.errors import QuorumError, SelectionError
from core.paths import home
from core.records.events import Finished, Measured
from core.records.presets import whole
from core.records.spec import RunSpec
from core.records.values import VALUES, LayerValues, PairInteractions

# A smaller share of extrapolation is not worth a line.
_NOTICEABLE = 0.005


def run(options: argparse.Namespace, spec: RunSpec) -> None:
    """Measures and estimates; started again, it goes on where it was."""
    database = database_of(options)
    with suppress(QuorumError):  # whatever is wrong with the request, the engine says
        announce(sentences(foresee(database, queries.runs(database), spec)))
    finished = follow(engine_on(database).run(spec, search=not options.no_search))
    assert isinstance(finished, Finished)
    answer, text = plans_of(finished.result, queries.selection(database, finished.result.run, ()))
    say(options.json, result_object(finished.result) | answer, f"{result_text(finished.result)}\n\n{text}")


def runs(options: argparse.Namespace) -> None:
    """Lists the runs."""
    database = database_of(options)
    found = [queries.settled(database, run) for run in queries.runs(database)]
    rows = [_summary(run) for run in found]
    lines = [
        f"{run.run}  {shipped.status(run):11s}  {run.started:%Y-%m-%d %H:%M}  {run.spec.model}  {run.spec.corpus}, "
        f"{run.spec.masks} masks"
        for run in found
    ]
    say(options.json, {"runs": rows}, "\n".join(lines) or f"No runs in {database.file} yet: python -m app run")


def show(options: argparse.Namespace) -> None:
    """Shows one run; of one that is not finished, what it has found so far."""
    database = database_of(options)
    found = queries.find_run(database, options.run)
    text = f"run {found.run} is {found.status}" + (f": {found.message}" if found.message else "")
    taken = [one for one in imports(database, found.game) if one.evaluations]
    answer = _summary(found) | {"imported": {one.sha256: one.evaluations for one in taken}}
    for one in taken:
        text += f"\n{one.evaluations:,} of its game's evaluations were imported from {one.name} ({one.sha256[:12]})"
    if found.result is not None:
        plans, said = plans_of(found.result, queries.selection(database, found.run, ()))
        answer |= result_object(found.result) | plans
        text += f"\n{result_text(found.result)}\n\n{said}"
    else:
        text += "\nIt has no contributions yet; run it again to go on."
    say(options.json, answer, text)


def values(options: argparse.Namespace) -> None:
    """One kind of value of every layer, from the run's coalitions, or from all that is measured of its game."""
    from core.attribution.named_values import check_kind, layer_values

    check_kind(options.value, VALUES, options.worth)
    if options.check and options.value != "shapley":
        raise SelectionError("Only Shapley values can be checked by shap.", "Use --value shapley --check.")
    database = database_of(options)
    run = asked_run(database, options)
    measured = _worths(database, run, options.worth)
    found = layer_values(measured, options.value, options.worth, run.strata, run.spec.seed, run.kept)
    label = labels(queries.players(database, run))
    rows = [{**asdict(item), "layer": label[item.layer]} for item in found.values]
    rests = counted(database, asked(database, run), WORTHS[options.worth].measured)
    answer = {"run": run.run, **asdict(found), "values": rows, "basis": asdict(rests)}
    lines = [
        f"{found.kind} value of {found.worth}, least first; 90 % interval for what was not measured",
        *_basis(found, rests),
    ]
    lines += [
        f"{label[item.layer]:>5} {item.value:9.4f} {item.low:9.4f} {item.high:9.4f}"
        for item in sorted(found.values, key=lambda item: item.value)
    ]
    if options.check and found.surrogate is None:
        raise SelectionError("Every coalition was measured, so that these values are exact.", "Leave --check out.")
    if options.check:
        from core.attribution.check_by_shap import shapley_check

        check = shapley_check(measured, options.worth, run.spec.seed, run.kept)
        answer["check"] = asdict(check)
        how = f"estimated from {check.orders} sampled orders" if check.orders else "exact"
        lines.append(
            f"shap, asked for the Shapley values of the same surrogate ({how}), differs by "
            f"{check.largest_difference:.4f} at most; the largest value is {check.largest_value:.4f}, the rank "
            f"correlation {check.spearman:.4f}"
        )
    say(options.json, answer, "\n".join(lines))


def interactions(options: argparse.Namespace) -> None:
    """The interaction of every pair of players, the strongest first; and of each block's attention and its MLP."""
    from core.attribution.named_values import pair_interactions

    database = database_of(options)
    run = asked_run(database, options)
    measured = _worths(database, run, options.worth)
    found = pair_interactions(measured, options.value, options.worth, run.spec.seed, run.kept)
    label = labels(players := queries.players(database, run))
    pairs = [
        {**asdict(pair), "first": label[pair.first], "second": label[pair.second], "meaning": pair.meaning}
        for pair in found.pairs
    ]
    by_places = {(pair.first, pair.second): row for pair, row in zip(found.pairs, pairs, strict=True)}
    halves = [{"layer": block, **by_places[places]} for block, places in both_halves(players).items()]
    rests = counted(database, asked(database, run), WORTHS[options.worth].measured)
    lines = [
        f"{found.kind} interactions in {found.worth}, strongest first; 90 % interval for what was not measured",
        *_basis(found, rests),
    ]
    lines += map(_pair, pairs[: options.top])
    if halves:
        lines += ["", "each block's attention with its MLP", *map(_pair, halves)]
    answer = {"run": run.run, **asdict(found), "pairs": pairs, "halves": halves, "basis": asdict(rests)}
    say(options.json, answer, "\n".join(lines))


def perplexity(options: argparse.Namespace) -> None:
    """Measures perplexity on a text as one stream, by the model's own forward with the removed layers skipped."""
    spec = RunSpec(
        model=options.model,
        dtype=options.dtype,
        device=options.device,
        players=options.players,
        protect=options.protect,
    )
    text = whole(options.corpus, options.window, options.windows, options.bos, options.field, options.preset)
    engine, how = engine_on(database_of(options)), asked_compensation(options)
    found = follow(engine.measure(spec, text, options.remove, kl=options.kl, compensate=how))
    assert isinstance(found, Measured)
    removed = names(found.model.players, found.removed)
    answer = {
        "perplexity": found.perplexity,
        "mean_nll": found.mean_nll,
        "kl": found.kl,
        "compensation": None,
        "tokens": found.protocol.predicted,
        "removed": removed,
        "protocol": asdict(found.protocol),
        "model": asdict(found.model),
    }
    without = f" without layers {', '.join(map(str, removed))}" if removed else ""
    kl = f"\nKL from the whole model's predictions: {found.kl:.4f} nats a token" if found.kl is not None else ""
    sentence = (
        f"perplexity {found.perplexity:.4f} ({found.mean_nll:.4f} nats a token over {found.protocol.predicted:,} "
        f"tokens){without}{kl}\n{found.model.source}, {found.model.dtype} on {found.model.device}\n{found.protocol}"
    )
    if found.compensation is not None and found.compensated is not None:
        answer["compensation"] = compensation_object(found.compensation, found.compensated)
        sentence += compensation_text(found.compensation, found.compensated)
    say(options.json, answer, sentence)


def _worths(database: Database, run: queries.StoredRun, worth: str) -> Measurements:
    """What a worth is made of; KL is measured when it is first asked for."""
    if WORTHS[worth].measured == DIVERGENCES and evaluations.lacks_divergences(database, run):
        follow(engine_on(database).diverge(run.game, run.resolved))
    return evaluations.measured_for(database, run, worth)


def doctor(options: argparse.Namespace) -> int:
    """Checks the installation; the exit status is 1 if something is wrong."""
    from app.cli.doctor import examine

    checks = examine(file_of(options))
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}" for check in checks]
    lines += [f"\n{check.name}: {check.hint}" for check in checks if not check.ok]
    healthy = all(check.ok for check in checks)
    say(options.json, {"ok": healthy, "checks": [asdict(check) for check in checks]}, "\n".join(lines))
    return 0 if healthy else 1


def _secrets() -> tuple[Path, ...]:
    """The folders of secrets.toml, which may ask for a login: those that Streamlit looks in by itself, and our home."""
    here = [folder / ".streamlit" for folder in (Path.home(), Path.cwd(), ROOT / "app" / "dashboard")]
    return (*here, home())


def serve(options: argparse.Namespace) -> NoReturn:
    """Starts the dashboard; its other settings are in app/dashboard/.streamlit/config.toml."""
    shipped.load_into(database_of(options))  # a results file that cannot be used is said here, not in the browser
    arguments = [
        f"--server.port={options.port}",
        f"--server.address={options.address}",
        f"--server.baseUrlPath={options.prefix}",
        *(f"--server.allowedHosts={name}" for name in ("localhost", "127.0.0.1", *options.host)),
        *(f"--secrets.files={folder / 'secrets.toml'}" for folder in _secrets()),
    ]
    # The server's matrices are small, and its worker wants the cores: threads of the two would wait for each other.
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, "QUORUM_CACHE": str(file_of(options))}
    server = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "dashboard" / "server.py"), *arguments]
    os.execve(sys.executable, server, environment)  # signals then reach the server itself


def _summary(run: queries.StoredRun) -> dict[str, object]:
    return {
        "run": run.run,
        "status": run.status,
        "message": run.message,
        "started": run.started.isoformat(),
        "spec": asdict(run.spec),
    }


def _pair(pair: dict[str, Any]) -> str:
    return (
        f"{pair['first']:>3} {pair['second']:>3} {pair['value']:9.4f} {pair['low']:9.4f} {pair['high']:9.4f}  "
        f"{pair['meaning']}"
    )


def _basis(found: LayerValues | PairInteractions, rests: Basis) -> list[str]:
    """What an estimate rests on."""
    fit = found.surrogate
    if fit is None:
        return [f"exact: every coalition has been measured ({rests})"]
    lines = [f"by a surrogate ({rests})"]
    lines += [f"{fit.name}: R2 of the {WORTHS[found.worth].label} {fit.r2:.3f} on {fit.masks} masks it has not seen"]
    if found.extrapolated > _NOTICEABLE:
        lines.append(
            f"extrapolated: {found.extrapolated:.0%} of it rests on numbers of kept layers that were never measured"
        )
    return lines
