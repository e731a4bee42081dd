"""The example run that ships with Quorum: a finished run of the bundled model, so that the first page is not empty.

`make example` (app/example/make_example.py) measures it anew and writes the files in this folder.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from cache import queries
from cache.database import Database
from cache.exchange.parquet import import_evaluations
from cache.queries import StoredRun
from cache.store import Store
from core.attribution.stability import findings
from core.records.behaviour.task_scores import TaskScore
from core.records.behaviour.writes import Predicts
from core.records.diagnostics import Diagnostics
from core.records.plans import Comparison, Scores, Selection
from core.records.reader import from_fields
from core.records.results import Findings, RunResult
from core.records.spec import RunSpec

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Example:
    """The run; its evaluations are in a file beside it."""

    spec: RunSpec
    result: RunResult
    diagnostics: Diagnostics
    selection: Selection | None  # its best plans, and how they compare with those of the rivals
    comparison: Comparison | None
    scores: Scores | None
    predicts: dict[str, Predicts]  # of its plans, by mask
    sums: dict[str, TaskScore]  # of the whole model and of its plans
    started: pd.Timestamp


@cache
def example() -> Example:
    """The run that ships."""
    found = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))
    return Example(
        from_fields(RunSpec, found["spec"]),
        from_fields(RunResult, found["result"]),
        from_fields(Diagnostics, found["diagnostics"]),
        from_fields(Selection, found["selection"]) if found.get("selection") else None,
        from_fields(Comparison, found["comparison"]) if found.get("comparison") else None,
        from_fields(Scores, found["scores"]) if found.get("scores") else None,
        {mask: from_fields(Predicts, one) for mask, one in found.get("predicts", {}).items()},
        {mask: from_fields(TaskScore, one) for mask, one in found.get("sums", {}).items()},
        pd.Timestamp(found["started"]),
    )


@cache
def _listed() -> Findings:
    return findings(example().result)


def is_example(run: StoredRun) -> bool:
    """Whether a stored run is the example as it shipped, and not the same request run again on this machine."""
    shown = example().result
    return run.run == shown.run and run.findings == _listed() and run.result == shown


def status(run: StoredRun) -> str:
    """How a run ended; the example says that it is one."""
    return "example" if is_example(run) else run.status


def load_into(database: Database) -> None:
    """Puts the example into a results file in which nothing has ever been measured."""
    if queries.is_blank(database):
        game = import_evaluations(
            database, (FOLDER / "evaluations.parquet").read_bytes(), "the example that ships"
        ).game
        store = Store(database)
        shown = example()
        run = shown.result.run
        store.adopt(game, shown.spec, shown.result, shown.started)
        store.save_diagnostics(run, shown.diagnostics)
        if shown.selection is not None:
            store.save_selection(run, shown.selection)
        if shown.comparison is not None:
            store.save_comparison(run, shown.comparison)
        if shown.scores is not None:
            store.save_scores(run, shown.scores)
        for known in (shown.predicts, shown.sums):
            for mask, found in known.items():
                store.record_traits(shown.result.model, mask, found)
