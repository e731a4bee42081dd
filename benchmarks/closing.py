"""What follows the last coalition of a run, beside the coalitions themselves: by parts, in one run and one process.

The run is the default one without its search, in a results file of its own.

    python -m benchmarks.closing
"""

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from app.cli.opening import quiet
from cache.database import Database
from cache.store import Store
from core.records.events import Progress
from core.records.spec import RunSpec
from core.run.engine import Engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=RunSpec().model)
    parser.add_argument("--masks", type=int, default=RunSpec().masks)
    parser.add_argument("--sequences", type=int, default=RunSpec().sequences)
    parser.add_argument("--window", type=int, default=RunSpec().window)
    parser.add_argument("--dtype", default="auto")
    options = parser.parse_args()
    quiet()
    spec = replace(RunSpec(), **vars(options))
    print(table(seconds_by_part(spec)))
    print(f"{spec.masks} coalitions, {spec.sequences} x {spec.window} tokens, {torch.get_num_threads()} threads")


def seconds_by_part(spec: RunSpec) -> dict[str, float]:
    """Seconds of each part of a run, from its first event to that of the next."""
    spent: Counter[str] = Counter()
    part, since = "start", time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for event in Engine(Store(Database(Path(folder) / "results.duckdb"))).run(spec, search=False):
            now = time.monotonic()
            spent[part] += now - since
            since = now
            part = event.part if isinstance(event, Progress) else part
        spent[part] += time.monotonic() - since
    return dict(spent)


def table(spent: dict[str, float]) -> str:
    """One line a part, with what it is of the coalitions' seconds."""
    whole = spent["coalitions"]
    lines = [f"{part:<12}{seconds:8.1f} s {seconds / whole:7.1%}" for part, seconds in spent.items()]
    after = sum(seconds for part, seconds in spent.items() if part not in ("start", "coalitions"))
    return "\n".join([*lines, f"{'afterwards':<12}{after:8.1f} s {after / whole:7.1%}"])


if __name__ == "__main__":
    main()
