"""`make example`: measures the run that ships anew, with its search, its rivals and their scores; writes app/example/.

It takes many minutes. With the name of a results file, what is measured is kept there, and a second start goes on.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from app.cli.opening import engine_on
from app.cli.terminal import follow
from app.example.shipped import FOLDER
from cache import queries
from cache.behaviour import plan_traits
from cache.database import Database
from cache.exchange.parquet import export_evaluations
from cache.queries import StoredRun
from core.coalitions.masks import encode, without
from core.records.behaviour.task_scores import SUMS
from core.records.events import Finished
from core.records.plans import USUAL_METHODS
from core.records.spec import RunSpec

_MADE_BY = "make example"


def write(database: Database, run: StoredRun) -> None:
    """Makes a finished run the example, with whatever is known of its plans, its rivals and their scores."""
    diagnostics = queries.diagnostics(database, run.run)
    assert run.result is not None and diagnostics is not None
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "evaluations.parquet").write_bytes(export_evaluations(database, run))
    content = {
        "made_by": _MADE_BY,
        "started": run.started.isoformat(),
        "spec": asdict(RunSpec()),
        "result": asdict(run.result),
        "diagnostics": asdict(diagnostics),
    }
    for name, found in (
        ("selection", queries.selection(database, run.run, ())),
        ("comparison", queries.comparison(database, run.run)),
        ("scores", queries.scores(database, run.run)),
    ):
        content[name] = asdict(found) if found is not None else None
    plans = content["selection"]["plans"] if content["selection"] else []
    masks = [encode(without(len(run.result.model.players), plan["removed"])) for plan in plans]
    known = plan_traits.known(database, run.result.model, [encode(without(len(run.result.model.players), ())), *masks])
    content["predicts"] = {
        mask: asdict(one) for mask, found in known.items() for one in list(found.predicts.values())[-1:]
    }
    content["sums"] = {
        mask: asdict(one)
        for mask, found in known.items()
        for one in [score for score in found.task.values() if score.task == SUMS][-1:]
    }
    (FOLDER / "run.json").write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def make(database: Database) -> None:
    """Measures all of it. Ours has the budget that every run's search has, so that it chooses as the run does."""
    from core.baselines.compare import Match  # imports torch
    from core.run.searching import OF_A_RUN

    engine = engine_on(database)
    finished = follow(engine.run(RunSpec(), search=True))
    assert isinstance(finished, Finished)
    run = queries.find_run(database, finished.result.run)
    follow(engine.score(run.run, run.game, run.resolved))
    follow(engine.compare(run.resolved, Match(USUAL_METHODS, None, OF_A_RUN.units), run.run))
    write(database, run)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make(Database(Path(sys.argv[1] if len(sys.argv) > 1 else Path(folder) / "example.duckdb")))
