"""The results file and the engine that a command works with."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cache.database import Database, default_file
from cache.queries import StoredRun
from cache.store import Store
from core.paths import user_path
from core.records.spec import RunSpec

if TYPE_CHECKING:
    from core.run.engine import Engine


def file_of(options: argparse.Namespace) -> Path:
    return user_path(options.cache or default_file()).resolve()


def database_of(options: argparse.Namespace) -> Database:
    return Database(file_of(options))


def engine_on(database: Database) -> "Engine":
    """The engine, with torch behind it: imported only by the commands that compute."""
    from app.worker.libraries import quiet
    from core.run.engine import Engine

    quiet()
    return Engine(Store(database))


def settled(run: StoredRun) -> RunSpec:
    """The specification of a run with what was found out when it began."""
    return replace(run.spec, dtype=run.result.model.dtype) if run.result else run.spec
