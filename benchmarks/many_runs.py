"""How long the page Runs takes with 10 and with 1,000 runs in the results file, and how many times as long.

The runs are the example under other ids, of other seeds. Each page is drawn by Streamlit's own test driver, without a
browser: opened by a new session of a server that has read nothing of the file as it is now, and by a later session.
The two files take turns.

    python -m benchmarks.many_runs [--times 7]
"""

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.example import shipped
from app.worker import client
from cache import going
from cache.database import Database
from tests.support.pages import open_page

FEW, MANY = 10, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    seconds: dict[tuple[str, int], list[float]] = {}
    with TemporaryDirectory() as folder:
        files = {count: fill(Path(folder) / f"{count}.duckdb", count) for count in (FEW, MANY)}
        open_at(files[FEW])  # imports take seconds once
        for _ in range(options.times):
            for count, file in files.items():
                client.shared.cache_clear()
                file.touch()  # as changed: whatever was read of it is read again
                seconds.setdefault(("first", count), []).append(open_at(file))
                seconds.setdefault(("later", count), []).append(open_at(file))
    for which in ("first", "later"):
        few, many = (float(np.median(seconds[which, count])) for count in (FEW, MANY))
        print(f"{which} session: {FEW} runs {few:.2f} s, {MANY:,} runs {many:.2f} s, ratio {many / few:.2f}")


def fill(file: Path, count: int) -> Path:
    """A results file with so many runs, the example among them."""
    database = Database(file)
    shipped.load_into(database)
    shown = shipped.example()
    assert shown.selection is not None
    going.every(database)
    with database.writing() as connection:
        [(game,)] = connection.execute("SELECT game FROM runs").fetchall()
        for number in range(1, count):
            run = f"{number:08x}"
            result, spec = replace(shown.result, run=run), replace(shown.spec, seed=number)
            connection.execute(
                """
                INSERT INTO runs (run, game, spec, strata, status, result, findings, started, changed)
                SELECT $1, $2, $3, strata, status, $4, findings, started + $5 * INTERVAL 1 MINUTE, changed
                FROM runs WHERE run = $6
                """,
                [run, game, json.dumps(asdict(spec)), json.dumps(asdict(result)), number, shown.result.run],
            )
            connection.execute(
                "INSERT INTO selections SELECT ?, protected, selection, changed, can_go FROM selections WHERE run = ?",
                [run, shown.result.run],
            )
    return file


def open_at(file: Path) -> float:
    """Seconds until the page Runs of a server on that file is drawn for a new session."""
    os.environ["QUORUM_CACHE"] = str(file)
    client.shared.cache_clear()
    shared = client.shared()
    began = time.perf_counter()
    open_page()
    took = time.perf_counter() - began
    shared.stop()
    return took


if __name__ == "__main__":
    main()
