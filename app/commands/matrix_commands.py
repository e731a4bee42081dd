"""The command that holds texts against each other: plans of each, judged on each (a calibration matrix)."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, say
from app.contributions.calibration_matrix import CalibrationMatrix, judging, matrix_of
from app.digits import change, significant
from app.words import called
from cache import queries
from cache.keys import game_key
from core.coalitions.players import names
from core.errors import SelectionError
from core.records.events import Finished, Measured
from core.records.spec import RunSpec

if TYPE_CHECKING:
    from core.run.engine import Engine

_SHARES = (0.1, 0.2, 0.3)  # of the players, unless counts are asked for


def matrix(options: argparse.Namespace, specs: Sequence[RunSpec]) -> None:
    """A run with its search on each text, and each one's plans measured on unseen text of all; what is known is kept.

    Args:
        options: `counts` of layers to remove, or None.
        specs: one for each text, alike but for it.
    """
    if len({spec.corpus for spec in specs}) < max(2, len(specs)):
        raise SelectionError("A matrix needs two texts or more, each once.", "Name them: --corpora python-docs,FILE.")
    database = database_of(options)
    engine = engine_on(database)
    # Every text is read and found large enough before anything long begins.
    whole = [_measured(engine, spec, ()) for spec in specs]
    players = whole[0].model.players
    counts = _counts(options.counts, len(players))
    runs = [queries.find_run(database, _searched(engine, spec)) for spec in specs]
    judges = [(game_key(each.model, each.protocol), each.protocol) for each in whole]
    plans = [plan for row in matrix_of(database, runs, judges, counts).plans.values() for plan in row]
    # Text by text: reading one takes longer than measuring another removal on it.
    for judge in specs:
        for plan in plans:
            _measured(engine, judge, plan.removed)
    found = matrix_of(database, runs, judges, counts)
    rows = [
        {
            "chosen_on": called(spec.corpus),
            "run": run.run,
            "count": count,
            "removed": names(players, found.plans[count][text].removed),
            "perplexities": found.perplexities[count][text].tolist(),
        }
        for text, (spec, run) in enumerate(zip(specs, runs, strict=True))
        for count in counts
    ]
    texts = [
        {
            "corpus": called(spec.corpus),
            "run": run.run,
            "dense_perplexity": dense,
            "evaluation": asdict(protocol),
        }
        for spec, run, dense, protocol in zip(specs, runs, found.dense, found.judges, strict=True)
    ]
    answer = {"model": asdict(whole[0].model), "texts": texts, "plans": rows, "ranks": found.ranks()}
    say(options.json, answer, "\n".join(_lines(whole[0].model.source, specs, found)))


def _measured(engine: "Engine", spec: RunSpec, removed: Sequence[int]) -> Measured:
    done = follow(engine.measure(spec, judging(spec), removed))
    assert isinstance(done, Measured)
    return done


def _searched(engine: "Engine", spec: RunSpec) -> str:
    done = follow(engine.run(spec, search=True))
    assert isinstance(done, Finished)
    return done.result.run


def _counts(asked: tuple[int, ...] | None, players: int) -> list[int]:
    counts = sorted(set(asked or (max(1, round(share * players)) for share in _SHARES)))
    if not 1 <= counts[0] <= counts[-1] <= players // 2:
        raise SelectionError(
            f"A search has plans for 1 to {players // 2} of {players} players, not for {counts}.", "Change --counts."
        )
    return counts


def _lines(model: str, specs: Sequence[RunSpec], found: CalibrationMatrix) -> list[str]:
    texts = [called(spec.corpus) for spec in specs]
    width = max(map(len, [*texts, "whole model"]))
    cell = max(16, *map(len, texts))
    head = " " * width + "".join(f"  {text:>{cell}}" for text in texts)
    lines = [
        f"{model}: perplexity on unseen text, measured, and how much higher than the whole model's",
        "rows: the text that layers were chosen on; columns: the text that judges",
        "",
        head,
        f"{'whole model':{width}}" + "".join(f"  {significant(x):>{cell}}" for x in found.dense),
    ]
    for count, rows in found.perplexities.items():
        lines += ["", f"{count} removed"]
        for text, row in zip(texts, rows, strict=True):
            cells = [f"{significant(x)} ({change(x / y)})" for x, y in zip(row, found.dense, strict=True)]
            lines.append(f"{text:{width}}" + "".join(f"  {text:>{cell}}" for text in cells))
    lines += ["", "rank correlation (Spearman) of the layers' contributions on two texts (estimated)", head]
    lines += [
        f"{text:{width}}" + "".join(f"  {value:{cell}.2f}" for value in values)
        for text, values in zip(texts, found.ranks(), strict=True)
    ]
    return [*lines, "", *map(str, found.judges)]
