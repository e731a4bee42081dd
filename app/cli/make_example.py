"""`make example`: measures the run that ships anew, and writes the files in app/example/."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from app.cli.opening import engine_on
from app.cli.terminal import follow
from app.example.shipped import FOLDER
from cache import queries
from cache.database import Database
from cache.parquet import export_evaluations
from cache.queries import StoredRun
from core.records.events import Finished
from core.records.spec import RunSpec

_MADE_BY = "make example"


def write(database: Database, run: StoredRun) -> None:
    """Makes a finished run the example."""
    diagnostics = queries.diagnostics(database, run.run)
    assert run.result is not None and diagnostics is not None
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "evaluations.parquet").write_bytes(export_evaluations(database, run))
    content = {
        "made_by": _MADE_BY,
        "started": run.started.isoformat(),
        "spec": asdict(run.spec),
        "result": asdict(run.result),
        "diagnostics": asdict(diagnostics),
    }
    (FOLDER / "run.json").write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        results = Database(Path(folder) / "example.duckdb")
        finished = follow(engine_on(results).run(RunSpec()))
        assert isinstance(finished, Finished)
        write(results, queries.find_run(results, finished.result.run))
