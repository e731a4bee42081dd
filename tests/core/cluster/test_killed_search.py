"""A search that workers measure, whose driver is killed: what was committed stays, and the same plans are found."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.root import ROOT
from cache import evaluations, queries
from cache.database import Database
from cache.store import Store
from core.cluster.machines import Machines
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.selection.targets import Request
from tests.support.finished import Finished

ASKED = Request(2.0, 4)


def measured(database: Database) -> set[tuple[object, ...]]:
    """What is stored of all games: mask, losses and divergences."""
    with database.reading() as connection:
        rows = (
            "SELECT game, mask, losses::VARCHAR, kl::VARCHAR FROM evaluations LEFT JOIN divergences USING (game, mask)"
        )
        return set(connection.execute(rows).fetchall())


@pytest.mark.skipif(find_spec("ray") is None, reason="pip install -r requirements-cluster.txt")
def test_a_driver_killed_in_a_search(finished: Finished, spec: RunSpec, cache_file: Path, tmp_path: Path) -> None:
    [name] = finished(replace(spec, masks=20))
    whole = Database(shutil.copy(cache_file, tmp_path / "whole.duckdb"))
    run = queries.find_run(whole, name)
    list(Engine(Store(whole)).select(run.run, run.game, run.resolved, ASKED))

    begun = evaluations.count_evaluations(Database(cache_file))
    asked = "--units", str(ASKED.units), "--most", str(ASKED.most), "--workers", "2", "--cache", str(cache_file)
    command = [sys.executable, "-m", "app", "select", name, *asked]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while driver.poll() is None and evaluations.count_evaluations(Database(cache_file)) < begun + 5:
        time.sleep(0.01)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    broken = Database(cache_file)
    before = measured(broken)
    assert begun < len(before) < len(measured(whole)) and before <= measured(whole)
    assert queries.selection(broken, name, ()) is None, "nothing half done is told as plans"

    list(Engine(Store(broken)).select(run.run, run.game, run.resolved, ASKED, Machines(2)))
    assert measured(broken) == measured(whole), "to the last bit, and nothing else was measured"
    assert queries.selection(broken, name, ()) == queries.selection(whole, name, ())
