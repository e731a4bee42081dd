"""The commands of `python -m app`. Each takes parsed options and prints one answer."""

import argparse
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.cli.arguments import machines_of
from app.cli.best_plans import plans_of
from app.cli.compensated import asked_compensation, compensation_object, compensation_text
from app.cli.opening import database_of, engine_on
from app.cli.terminal import announce, follow, result_object, result_text, returned, say
from app.commands.behaviour.need_commands import need_answer
from app.commands.behaviour.run_worth import VALUE, task_worth
from app.commands.label_commands import label_object, said_of
from app.foresight import foresee, sentences
from app.words import called
from cache import going, queries
from cache.exchange.imports import imports
from core.coalitions.players import names
from core.errors import QuorumError
from core.paths import user_path
from core.records.events import Finished, Measured
from core.records.presets import whole
from core.records.spec import RunSpec
from core.selection.targets import ACCEPTED

# A smaller share of extrapolation is not worth a line.
_NOTICEABLE = 0.005


def run(options: argparse.Namespace, spec: RunSpec) -> None:
    """Measures and estimates, on the text and then on a task's items; started again, it goes on where it was."""
    folder = user_path(options.data) if options.data is not None else None
    worth = task_worth(options.worth, folder, options.limit)
    database = database_of(options)
    engine = engine_on(database)

    def lend(work: Callable[..., Any]) -> Any:
        return returned(engine.lend(work))

    if worth is not None:
        worth.check(spec, lend)
    from core.run.look import device_seen  # torch is there by now: whoever computes has been opened

    with suppress(QuorumError):  # whatever is wrong with the request, the engine says
        announce(sentences(foresee(database, queries.runs(database), spec, device_seen(spec))))
    finished = follow(engine.run(spec, search=not options.no_search, machines=machines_of(options)))
    assert isinstance(finished, Finished)
    run = finished.result.run
    plans, text = plans_of(finished.result, queries.selection(database, run, ()))
    answer, text = result_object(finished.result) | plans, f"{result_text(finished.result)}\n\n{text}"
    if worth is not None:
        try:
            found = worth.needed(database, run, lend)
        except QuorumError as error:
            error.hint += f" The run itself is finished and kept: python -m app show {run}"
            raise
        needs, told = need_answer(database, queries.find_run(database, run), VALUE, worth.answers, found)
        answer, text = {**answer, "needs": needs}, f"{text}\n\n{told}"
    say(options.json, answer, text)


def runs(options: argparse.Namespace) -> None:
    """Lists the runs that are in no archive, or those as well, or those that were deleted."""
    database = database_of(options)
    every = [queries.settled(database, run) for run in queries.runs(database, options.deleted)]
    found = [run for run in every if options.archived or options.deleted or not run.label.archived]
    can_go = going.every(database)
    rows = [_summary(run) | _findings(run, can_go.get(run.run)) for run in found]
    say(
        options.json,
        {"runs": rows},
        "\n".join(_table(rows)) if rows else _none(database.file, options, archived=len(every)),
    )


def show(options: argparse.Namespace) -> None:
    """Shows one run; of one that is not finished, what it has found so far."""
    database = database_of(options)
    found = queries.find_run(database, options.run)
    text = f"run {found.run} is {found.status}" + (f": {found.message}" if found.message else "")
    text += "".join(f"\n{line}" for line in said_of(found.label))
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


def _summary(run: queries.StoredRun) -> dict[str, object]:
    return {
        "run": run.run,
        "status": run.status,
        "message": run.message,
        "started": run.started.isoformat(),
        "spec": asdict(run.spec),
        **label_object(run.label),
    }


def _findings(run: queries.StoredRun, can_go: int | None) -> dict[str, object]:
    """What a run has come to: of the whole model, of its ranking, and of the largest plan within the usual bound."""
    found = run.findings
    return {
        "layers": found.layers if found else None,
        "dense_perplexity": found.dense_perplexity if found else None,
        "ranks": found.ranks if found else None,
        "can_go": can_go,
    }


def _none(file: Path, options: argparse.Namespace, archived: int) -> str:
    if options.deleted:
        return f"No run in {file} can be brought back."
    if archived:
        return "All runs are in the archive: python -m app runs --archived"
    return f"No runs in {file} yet: python -m app run"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """The runs for a person, under a header."""
    bound = f"within {ACCEPTED:.0%}"
    cells = [["run", "name", "status", "started", "model", "layers", "text", "coalitions", "dense", "ranks", bound]]
    for row in rows:
        spec, known = row["spec"], row["layers"] is not None
        going = f"{row['can_go']} can go" if row["can_go"] is not None else "not searched" if known else ""
        found = [f"{row['dense_perplexity']:.2f}", f"{row['ranks']:.2f}", going] if known else ["", "", ""]
        layers = str(row["layers"]) if known else ""
        status = f"{row['status']}, archived" if row["archived"] else row["status"]
        model, text = called(spec["model"]), called(spec["corpus"])
        started = row["started"][:16].replace("T", " ")
        cells.append([row["run"], row["name"], status, started, model, layers, text, str(spec["masks"]), *found])
    if not any(row["name"] for row in rows):
        cells = [[head, *rest] for head, _, *rest in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [
        *lines,
        "",
        "dense: perplexity of the whole model, measured; ranks: expected rank correlation with another run's;",
        f"{bound}: how many layers can go by the best plan known, before measured perplexity is {ACCEPTED:.0%} higher",
    ]
