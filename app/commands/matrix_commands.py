"""The command that holds texts against each other: plans of each, judged on each (a calibration matrix)."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, say
from app.digits import change, significant
from app.words import called
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.players import names
from core.errors import SelectionError
from core.records.events import Finished, Measured
from core.records.plans import Plan
from core.records.spec import RunSpec
from core.selection.targets import Target

if TYPE_CHECKING:
    from core.run.engine import Engine

_SHARES = (0.1, 0.2, 0.3)  # of the players, unless counts are asked for
_JUDGED = 4  # times as many sequences judge as are chosen on, none of them seen before


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
    runs = [_searched(engine, spec) for spec in specs]
    found = [queries.find_run(database, run) for run in runs]
    plans = [
        (spec, run, _plan(database, run, count)) for spec, run in zip(specs, runs, strict=True) for count in counts
    ]
    # Text by text: reading one takes longer than measuring another removal on it.
    judged = [[_measured(engine, judge, plan.removed).perplexity for _, _, plan in plans] for judge in specs]
    rows = [
        {
            "chosen_on": called(spec.corpus),
            "run": run,
            "count": plan.count,
            "removed": names(players, plan.removed),
            "perplexities": list(on),
        }
        for (spec, run, plan), on in zip(plans, zip(*judged, strict=True), strict=True)
    ]
    texts = [
        {
            "corpus": called(spec.corpus),
            "run": run,
            "dense_perplexity": dense.perplexity,
            "evaluation": asdict(dense.protocol),
        }
        for spec, run, dense in zip(specs, runs, whole, strict=True)
    ]
    ranks = _rank_correlations(found)
    answer = {"model": asdict(whole[0].model), "texts": texts, "plans": rows, "ranks": ranks}
    say(options.json, answer, "\n".join(_lines(whole, specs, counts, rows, ranks)))


def _rank_correlations(runs: Sequence[StoredRun]) -> list[list[float]]:
    """Spearman's, of the contributions of every two runs of the same players."""
    values = {run.run: [item.value for item in run.result.overall] for run in runs if run.result is not None}
    found: list[list[float]] = pd.DataFrame(values).corr("spearman").to_numpy().tolist()
    return found


def _plan(database: Database, run: str, count: int) -> Plan:
    found = queries.selection(database, run, ())
    assert found is not None  # every run ends with its search
    [plan] = Target(count=count).choose(found)
    return plan


def _measured(engine: "Engine", spec: RunSpec, removed: Sequence[int]) -> Measured:
    text = replace(spec.text("evaluation"), sequences=_JUDGED * spec.sequences)
    done = follow(engine.measure(spec, text, removed))
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


def _lines(
    whole: Sequence[Measured],
    specs: Sequence[RunSpec],
    counts: Sequence[int],
    rows: Sequence[dict[str, object]],
    ranks: Sequence[Sequence[float]],
) -> list[str]:
    texts = [called(spec.corpus) for spec in specs]
    dense = np.array([each.perplexity for each in whole])
    width = max(map(len, [*texts, "whole model"]))
    cell = max(16, *map(len, texts))
    head = " " * width + "".join(f"  {text:>{cell}}" for text in texts)
    lines = [
        f"{whole[0].model.source}: perplexity on unseen text, measured, and how much higher than the whole model's",
        "rows: the text that layers were chosen on; columns: the text that judges",
        "",
        head,
        f"{'whole model':{width}}" + "".join(f"  {significant(x):>{cell}}" for x in dense),
    ]
    for count in counts:
        lines += ["", f"{count} removed"]
        for row in rows:
            if row["count"] == count:
                on = np.asarray(row["perplexities"], dtype=np.float64)
                cells = [f"{significant(x)} ({change(x / y)})" for x, y in zip(on, dense, strict=True)]
                lines.append(f"{row['chosen_on']:{width}}" + "".join(f"  {text:>{cell}}" for text in cells))
    lines += ["", "rank correlation (Spearman) of the layers' contributions on two texts (estimated)", head]
    lines += [
        f"{text:{width}}" + "".join(f"  {value:{cell}.2f}" for value in values)
        for text, values in zip(texts, ranks, strict=True)
    ]
    return [*lines, "", *(str(each.protocol) for each in whole)]
