"""The results file and the engine that a command works with."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cache import queries
from cache.basis import refitted
from cache.database import Database, default_file
from cache.store import Store
from core.paths import user_path
from core.unfinished import sweep

if TYPE_CHECKING:
    from core.run.engine import Engine


def file_of(options: argparse.Namespace) -> Path:
    return user_path(options.cache or default_file()).resolve()


def database_of(options: argparse.Namespace) -> Database:
    sweep()
    return Database(file_of(options))


def engine_on(database: Database) -> "Engine":
    """The engine, with torch behind it: imported only by the commands that compute."""
    from core.run.engine import Engine

    quiet()
    return Engine(Store(database.patiently()))


def quiet() -> None:
    """Silences the progress bars and notices of the Hugging Face libraries, so that our own output can be read."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # importing `datasets` only to say so takes seconds
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def asked_run(database: Database, options: argparse.Namespace) -> queries.StoredRun:
    """The run that the options name, refitted if they say so."""
    run = queries.find_run(database, options.run)
    return refitted(database, run) if options.refit else run
