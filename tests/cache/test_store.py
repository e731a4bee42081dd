"""The results file: what is in it, who may hold it, and what happens when it cannot be used."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread, Timer

import duckdb
import numpy as np
import pytest

from app.root import ROOT
from cache import evaluations, labels, queries
from cache.database import Database
from cache.schema.migrations import MIGRATIONS
from cache.store import Store
from core.coalitions.masks import encode
from core.errors import CacheBusy, CacheTooNew, CacheUnreadable, DiskFull, NotWritable, RunNotFound
from core.records.spec import ModelInfo, RunSpec, TextProtocol
from core.records.storage import Evaluation
from tests.support.stored import MASKS, MODEL, PROTOCOL


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_losses_come_back_bit_by_bit(cache_file: Path) -> None:
    store = Store(Database(cache_file))
    game = store.open_game(MODEL, PROTOCOL)
    losses = np.random.default_rng(0).normal(5, 1, (20, 3)).astype(np.float32)
    losses[3, 1], losses[4, 0], losses[5] = np.nan, np.inf, np.nan
    store.record(game, [Evaluation(encode(mask), row) for mask, row in zip(MASKS[:15], losses, strict=False)])
    known = Store(Database(cache_file)).known(game, MASKS)
    assert sorted(known) == list(range(15))
    np.testing.assert_array_equal(np.stack([known[row].losses for row in range(15)]), losses[:15])


def test_the_first_measurement_stays(cache_file: Path) -> None:
    store = Store(Database(cache_file))
    game = store.open_game(MODEL, PROTOCOL)
    for value in (1.0, 2.0):
        store.record(game, [Evaluation(encode(MASKS[0]), np.full(3, value, np.float32))])
    assert store.known(game, MASKS[:1])[0].losses.tolist() == [1.0] * 3
    assert evaluations.count_evaluations(Database(cache_file)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0" * 16},
        {"dtype": "bfloat16"},
        {"tokens": "b" * 16},
        {"window": 9},
        {"stride": 4},
        {"bos": "window"},
    ],
)
def test_what_does_not_compare_has_another_key(cache_file: Path, change: dict[str, object]) -> None:
    store = Store(Database(cache_file))
    model = ModelInfo(**{**vars(MODEL), **{k: v for k, v in change.items() if k in vars(MODEL)}})
    protocol = TextProtocol(**{**vars(PROTOCOL), **{k: v for k, v in change.items() if k in vars(PROTOCOL)}})
    assert store.open_game(model, protocol) != store.open_game(MODEL, PROTOCOL)


def test_same_request_is_the_same_run(cache_file: Path) -> None:
    store = Store(Database(cache_file))
    game = store.open_game(MODEL, PROTOCOL)
    first = store.begin(game, RunSpec(), PROTOCOL, (5, 4))
    assert store.begin(game, RunSpec(), PROTOCOL, (5, 4)) == first
    assert store.begin(game, RunSpec(seed=1), PROTOCOL, (5, 4)) != first
    assert len(queries.runs(Database(cache_file))) == 2
    labels.delete(Database(cache_file), first)
    with pytest.raises(RunNotFound, match=first):
        queries.find_run(Database(cache_file), first)


def test_a_run_whose_process_died_is_interrupted(cache_file: Path) -> None:
    store = Store(Database(cache_file))
    game = store.open_game(MODEL, PROTOCOL)
    run = store.begin(game, RunSpec(), PROTOCOL, (5, 4))
    with store.claim(run) as granted:
        assert granted
        assert _status_elsewhere(cache_file, run) == "running"
    assert _status_elsewhere(cache_file, run) == "interrupted"


def _status_elsewhere(file: Path, run: str) -> str:
    code = """
        import sys; from pathlib import Path
        from cache.database import Database; from cache.queries import find_run
        print(find_run(Database(Path(sys.argv[1])), sys.argv[2]).status)
    """
    return python(code, file, run).communicate(timeout=60)[0].strip()


def test_many_processes_and_threads_lose_nothing(cache_file: Path) -> None:
    Database(cache_file)
    writer = """
        import sys; from pathlib import Path; import numpy as np
        from cache.database import Database; from cache.store import Store; from core.records.storage import Evaluation
        store = Store(Database(Path(sys.argv[1]), patience=60))
        for number in range(25):
            store.record("game", [Evaluation(f"{sys.argv[2]}-{number}", np.ones(3, np.float32))])
    """
    writers = [python(writer, cache_file, name) for name in ("a", "b")]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: evaluations.count_evaluations(Database(cache_file, patience=60)), range(60)))
    for process in writers:
        assert process.wait(60) == 0, process.stderr and process.stderr.read()
    assert max(counts) <= 50
    assert evaluations.count_evaluations(Database(cache_file)) == 50


def test_killed_while_writing_keeps_what_was_committed(cache_file: Path) -> None:
    Database(cache_file)
    writer = """
        import sys; from pathlib import Path; import numpy as np
        from cache.database import Database; from cache.store import Store; from core.records.storage import Evaluation
        store = Store(Database(Path(sys.argv[1])))
        for number in range(10_000):
            store.record("game", [Evaluation(str(number), np.ones(3, np.float32))])
            print(number, flush=True)
    """
    process = python(writer, cache_file)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "20":
        pass
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0].split()
    committed = int(said[-1]) + 1 if said else 21
    assert evaluations.count_evaluations(Database(cache_file)) in (committed, committed + 1)


def test_revision_changes_with_the_contents_only(cache_file: Path) -> None:
    database = Database(cache_file)
    before = database.revision()
    queries.runs(database)
    Database(cache_file)
    assert database.revision() == before
    Store(database).open_game(MODEL, PROTOCOL)
    assert database.revision() != before


def test_blank_file_gets_every_migration(cache_file: Path) -> None:
    with Database(cache_file).reading() as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(len(MIGRATIONS),)]


def test_newer_schema_is_refused(cache_file: Path) -> None:
    Database(cache_file)
    with duckdb.connect(cache_file) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(CacheTooNew, match="99"):
        Database(cache_file)


@pytest.mark.parametrize("content", [b"not a database at all" * 400, os.urandom(20_000)])
def test_corrupt_file_is_refused_and_left_alone(cache_file: Path, content: bytes) -> None:
    cache_file.write_bytes(content)
    with pytest.raises(CacheUnreadable, match="corrupt"):
        Database(cache_file)
    assert cache_file.read_bytes() == content


def test_damaged_file_is_refused(cache_file: Path) -> None:
    Database(cache_file)
    content = bytearray(cache_file.read_bytes())
    content[4096:12288] = os.urandom(8192)
    cache_file.write_bytes(content)
    with pytest.raises(CacheUnreadable):
        Database(cache_file)


def test_file_held_by_a_foreign_program(cache_file: Path) -> None:
    Database(cache_file)
    holder = python(
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)",
        cache_file,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(CacheBusy, match="another program"):
        Database(cache_file, patience=0.5)
    holder.kill()
    holder.wait()
    Database(cache_file)


def test_who_has_measured_waits_for_as_long_as_it_takes(cache_file: Path) -> None:
    """Whether Quorum holds the file, with its own lock, or a foreign program does; a page gives up meanwhile."""
    hasty, losses = Database(cache_file, patience=0.2), np.ones(3, np.float32)
    game = Store(hasty).open_game(MODEL, PROTOCOL)
    holders = [
        "import sys, time; from filelock import FileLock\n"
        "lock = FileLock(sys.argv[1] + '.lock'); lock.acquire(); print('held', flush=True); time.sleep(60)",
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)",
    ]
    for mask, code in zip(("110111", "101111"), holders, strict=True):
        holder = python(code, cache_file)
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        writing = Thread(target=Store(hasty.patiently()).record, args=(game, [Evaluation(mask, losses)]), daemon=True)
        writing.start()
        for _ in range(2):  # longer than a page waits
            with pytest.raises(CacheBusy):
                Store(hasty).measured(game)
        assert writing.is_alive()
        holder.kill()
        holder.wait()
        writing.join(30)
        assert mask in Store(hasty).measured(game)


def test_a_foreign_program_that_lets_go_is_waited_for(cache_file: Path) -> None:
    Database(cache_file)
    holder = python(
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(1)",
        cache_file,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    begun = time.monotonic()
    Database(cache_file)
    assert time.monotonic() - begun > 0.3
    holder.wait()


def test_read_only_folder(tmp_path: Path) -> None:
    """As a user without root's power to write anywhere."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    code = "import sys; from pathlib import Path; from cache.database import Database; Database(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(folder / "results.duckdb")]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert NotWritable.__name__ in done.stderr and "--cache FILE" in done.stderr


def test_full_disk(cache_file: Path) -> None:
    """A limit on the size of files stands for the full disk: what was stored stays, and the error says so."""
    store = Store(Database(cache_file))
    store.record("game", [Evaluation("0", np.ones(3, np.float32))])
    code = """
        import resource, signal, sys; from pathlib import Path; import numpy as np
        from cache.database import Database; from cache.store import Store; from core.records.storage import Evaluation
        store = Store(Database(Path(sys.argv[1])))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
        for number in range(1, 50):
            losses = np.random.rand(50, 2000).astype(np.float32)
            store.record("game", [Evaluation(f"{number}-{row}", losses[row]) for row in range(50)])
    """
    process = python(code, cache_file)
    errors = process.communicate(timeout=120)[1]
    assert DiskFull.__name__ in errors, errors[-2000:]
    assert evaluations.count_evaluations(Database(cache_file), "game") >= 1


def test_an_interruption_is_one_while_duckdb_is_busy(cache_file: Path) -> None:
    """DuckDB itself says RuntimeError, and a run would have failed where somebody has stopped it."""
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # one that was started in the background ignores it
    database = Database(cache_file)
    asks = Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt), database.reading() as connection:
            asks.start()
            connection.execute("SELECT count(*) FROM range(1_000_000_000) a, range(1_000_000_000) b").fetchall()
    finally:
        signal.signal(signal.SIGINT, before)
    assert Database(cache_file).revision() == database.revision()
