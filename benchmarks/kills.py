"""What kill -9 costs: `python -m benchmarks.kills [KILLS]`.

First openings, runs, searches, imports and exports of a small model are killed at random moments. After each kill the
results file must open and hold what was committed, bit by bit; nothing that was committed may be measured again; and
what was half made must be swept. At the end of every round what was killed goes on undisturbed, and finds what a run
finds that nobody disturbed.
"""

import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks.byte_tokenizer import VOCABULARY, save_tokenizer
from cache import queries
from cache.database import Database
from cache.exchange.parquet import export_evaluations, import_evaluations
from cache.store import Store
from core.export.recipes.recipe import Recipe
from core.paths import home
from core.records.results import RunResult
from core.records.spec import RunSpec
from core.records.storage import Evaluation
from core.run.engine import Engine
from core.selection.targets import Request
from core.unfinished import sweep

LAYERS, A_ROUND = 8, 20
LONGEST = {"open": 0.1, "run": 3.0, "select": 4.0, "import": 1.5, "export": 2.0}  # seconds until the latest kill


class Logged(Store):
    """A store that writes down which measurements it is handed, and which of them it has committed."""

    def __init__(self, database: Database, log: Path) -> None:
        super().__init__(database)
        self._log = log

    def record(self, game: str, measured: Sequence[Evaluation]) -> None:
        fresh = [item.mask for item in measured if item.divergences is None]
        self._note("measured", game, fresh)
        super().record(game, measured)
        self._note("committed", game, fresh)

    def _note(self, what: str, game: str, masks: Sequence[str]) -> None:
        with self._log.open("a") as log:
            log.write("".join(f"{what} {game} {mask}\n" for mask in masks))


def main(kills: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ["QUORUM_HOME"] = str(place / "home")
        spec = _spec(place)
        whole = Database(place / "whole.duckdb")
        expected = _run(Store(whole), spec)
        shared = export_evaluations(whole, queries.runs(whole)[0])
        random, counts, lost = Random(0), Counter[str](), 0
        for number in range(0, kills, A_ROUND):
            lost += _round(place / str(number), spec, expected, shared, random, counts, min(A_ROUND, kills - number))
            print(
                f"{counts.total()} kills ({', '.join(f'{what} {count}' for what, count in counts.items())}): committed "
                f"and lost, or measured twice: 0; measured before a kill and not yet committed: {lost}",
                flush=True,
            )


def _round(
    place: Path, spec: RunSpec, expected: RunResult, shared: bytes, random: Random, counts: Counter[str], kills: int
) -> int:
    """Some kills over one results file; how many measurements were lost with them."""
    place.mkdir()
    file, log = place / "results.duckdb", place / "log"
    log.touch()

    def search() -> None:
        store = Logged(Database(file), log)
        run = queries.runs(Database(file))[0]
        for _ in Engine(store).select(run.run, run.game, spec, Request(units=0.3)):
            pass

    def export() -> None:
        for _ in Engine(Store(Database(file))).export(Recipe.of(expected, spec, [1, 2]), place / str(random.random())):
            pass

    def begin() -> None:
        Database(file.with_name(f"{random.random()}.duckdb"))

    tasks: dict[str, Callable[[], object]] = {
        "open": begin,
        "run": lambda: _run(Logged(Database(file), log), spec),
        "select": search,
        "import": lambda: import_evaluations(Database(file), shared),
        "export": export,
    }
    for _ in range(kills):
        # Of measuring, twice as many; a search needs a run, and an import would leave nothing to measure.
        possible = ["open", "run", "run", "export"]
        possible += ["select", "select", "import"] if file.exists() and queries.runs(Database(file)) else []
        what = random.choice(possible)
        counts[what] += 1
        _killed(tasks[what], random.uniform(0, LONGEST[what]))
        sweep()
        left = [path.name for path in (*place.glob(".*"), *(home() / "unfinished").glob("*"))]
        assert not left, f"left behind by {what}: {left}"
        for other in place.glob("*.duckdb"):
            Database(other)
        _check(log, Database(file))
    found = _run(Logged(Database(file), log), spec)
    assert found.overall == expected.overall, "another answer than without kills"
    return _check(log, Database(file))


def _killed(task: Callable[[], object], after: float) -> None:
    """Lets a process of its own do something, and kills it."""
    child = os.fork()
    if child == 0:
        try:
            task()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "it failed of its own accord"


def _check(log: Path, database: Database) -> int:
    """Holds the file against the log; how many measurements have been made and never committed."""
    committed: set[tuple[str, str]] = set()
    measured = Counter[tuple[str, str]]()
    for line in log.read_text().splitlines():
        what, game, mask = line.split()
        if what == "measured":
            assert (game, mask) not in committed, f"{mask} was measured again"
            measured[game, mask] += 1
        else:
            committed.add((game, mask))
    for game in {game for game, _ in committed}:
        kept = Store(database).measured(game)
        assert all(mask in kept for of, mask in committed if of == game), "a committed evaluation is lost"
    return sum(measured.values()) - len(measured)


def _run(store: Store, spec: RunSpec) -> RunResult:
    events = list(Engine(store).run(spec))
    found = events[-1]
    assert hasattr(found, "result"), found
    result: RunResult = found.result
    return result


def _spec(place: Path) -> RunSpec:
    """A request of a small random model and of a text, made here."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=VOCABULARY, num_hidden_layers=LAYERS, max_position_embeddings=256, **small)
    AutoModelForCausalLM.from_config(config).save_pretrained(place / "model")
    save_tokenizer(place / "model")
    (place / "tale.txt").write_text(" ".join(f"The {n}th traveller told of {n * n} winters." for n in range(1500)))
    return RunSpec(str(place / "model"), str(place / "tale.txt"), sequences=8, window=32, masks=120, dtype="float32")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
