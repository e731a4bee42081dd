"""Evaluations from one results file to another: nothing is lost or measured twice, nothing wrong is written."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cache import queries
from cache.database import Database
from cache.exchange.parquet import export_evaluations, import_evaluations
from cache.store import Store
from core.coalitions.masks import encode
from core.errors import NotEvaluations, RunNotFound
from core.records.results import Precision
from core.records.spec import RunSpec
from core.records.storage import Evaluation
from tests.support.commands import Cli
from tests.support.stored import MASKS, MODEL, PROTOCOL

PRECISION = Precision("bfloat16", 0.05, 0.99, 16, 2)


def filled(file: Path) -> tuple[Database, queries.StoredRun]:
    """A game with 20 evaluations, a NaN and an infinity among them, and three divergences."""
    database = Database(file)
    store = Store(database)
    game = store.open_game(MODEL, PROTOCOL)
    losses = np.random.default_rng(0).gamma(5, 1, (20, 3)).astype(np.float32)
    losses[3, 1], losses[4, 0] = np.nan, np.inf
    kl = [*losses[:3], *[None] * (len(MASKS) - 3)]
    store.record(game, [Evaluation(encode(mask), *found) for mask, *found in zip(MASKS, losses, kl, strict=True)])
    store.save_precision(game, PRECISION)
    return database, queries.find_run(database, store.begin(game, RunSpec(), PROTOCOL, (5, 4)))


def test_round_trip_bit_by_bit(tmp_path: Path) -> None:
    database, run = filled(tmp_path / "a.duckdb")
    other = Database(tmp_path / "b.duckdb")
    found = import_evaluations(other, export_evaluations(database, run))
    assert (found.model, found.protocol, found.game) == (MODEL, PROTOCOL, run.game)
    assert (found.evaluations, found.fresh) == (20, 20)
    here, there = Store(database), Store(other)
    before, after = here.measured(run.game), there.measured(run.game)
    assert before.keys() == after.keys()
    assert sum(found.divergences is not None for found in before.values()) == 3
    for mask, found in before.items():
        np.testing.assert_array_equal(after[mask].losses, found.losses)
        np.testing.assert_array_equal(after[mask].divergences, found.divergences)
    assert there.precision(run.game) == PRECISION
    assert import_evaluations(other, export_evaluations(database, run)).fresh == 0


def test_what_was_there_stays(tmp_path: Path) -> None:
    database, run = filled(tmp_path / "a.duckdb")
    other = Database(tmp_path / "b.duckdb")
    store = Store(other)
    store.record(store.open_game(MODEL, PROTOCOL), [Evaluation(encode(MASKS[0]), np.ones(3, np.float32))])
    assert import_evaluations(other, export_evaluations(database, run)).fresh == 19
    assert store.measured(run.game)[encode(MASKS[0])].losses.tolist() == [1, 1, 1]


def test_nothing_measured_is_said(cache_file: Path) -> None:
    database = Database(cache_file)
    store = Store(database)
    run = store.begin(store.open_game(MODEL, PROTOCOL), RunSpec(), PROTOCOL, (5,))
    with pytest.raises(RunNotFound, match="measured nothing"):
        export_evaluations(database, queries.find_run(database, run))


def changed(content: bytes, **columns: list[object]) -> bytes:
    """A good file with other columns; None drops one."""
    table = pq.read_table(io.BytesIO(content))
    for name, values in columns.items():
        kind = table.schema.field(name).type
        table = table.set_column(table.column_names.index(name), name, pa.array(values, kind))
    return written(table)


def described(content: bytes, **about: object) -> bytes:
    """A good file with other metadata."""
    table = pq.read_table(io.BytesIO(content))
    metadata = {**json.loads(table.schema.metadata[b"quorum"]), **about}
    return written(table.replace_schema_metadata({"quorum": json.dumps(metadata)}))


def written(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def nested(content: bytes, depth: int) -> bytes:
    """A good file whose metadata is a list in a list in a list."""
    return written(pq.read_table(io.BytesIO(content)).replace_schema_metadata({"quorum": "[" * depth + "]" * depth}))


def long_rows(content: bytes, length: int) -> bytes:
    """A small file of a few enormous rows: equal numbers pack well."""
    one = pa.ListArray.from_arrays([0, length], pa.array(np.zeros(length, np.float32)))
    table = pq.read_table(io.BytesIO(content)).slice(0, 1)
    for place, name in ((1, "losses"), (2, "kl")):
        table = table.set_column(place, pa.field(name, pa.list_(pa.float32())), one)
    packed = written(table)
    assert len(packed) < 100_000
    return packed


GOOD_LOSSES: list[object] = [[1.0, 2.0, 3.0]] * 20


@pytest.mark.parametrize(
    ("said", "spoil"),
    [
        ("no Parquet file", lambda good: b"mask,losses\n1,2\n"),
        ("no Parquet file", lambda good: good[: len(good) // 2]),
        ("no Parquet file", lambda good: b""),
        ("losses is missing", lambda good: written(pq.read_table(io.BytesIO(good)).drop_columns(["losses"]))),
        ("mask is int64", lambda good: written(pa.table({"mask": [1], "losses": [[1.0]], "kl": [[1.0]]}))),
        ("no evaluation", lambda good: written(pq.read_table(io.BytesIO(good)).slice(0, 0))),
        ("which model", lambda good: written(pq.read_table(io.BytesIO(good)).replace_schema_metadata(None))),
        ("which model", lambda good: described(good, protocol={"corpus": "tale.txt"})),
        ("which model", lambda good: described(good, model={**vars(MODEL), "fingerprint": None})),
        ("does not name", lambda good: described(good, model={**vars(MODEL), "fingerprint": ""})),
        ("metric 0", lambda good: described(good, metric=0)),
        ("no mask of the model's 7", lambda good: described(good, model={**vars(MODEL), "layers": 7, "players": ()})),
        ("no mask of", lambda good: changed(good, mask=["11x111", *map(encode, MASKS[1:])])),
        ("twice", lambda good: changed(good, mask=["111110"] * 20)),
        ("of each of 4 sequences", lambda good: described(good, protocol={**vars(PROTOCOL), "sequences": 4})),
        ("null among its losses", lambda good: changed(good, losses=[[1.0, None, 2.0], *GOOD_LOSSES[1:]])),
        ("of each of 3 sequences", lambda good: changed(good, losses=[[1.0, 2.0], *GOOD_LOSSES[1:]])),
        ("bos is 'weird'", lambda good: described(good, protocol={**vars(PROTOCOL), "bos": "weird"})),
        ("how many layers", lambda good: described(good, protocol={**vars(PROTOCOL), "sequences": 0})),
        ("how many layers", lambda good: described(good, model={**vars(MODEL), "layers": 0})),
        ("which model", lambda good: nested(good, depth=100_000)),
        ("too large", lambda good: written(pq.read_table(io.BytesIO(good)).take([0] * 2_100_000))),
        ("too large", lambda good: long_rows(good, 2**25)),
        ("has no losses", lambda good: changed(good, losses=[None, *GOOD_LOSSES[1:]])),
        ("below zero", lambda good: changed(good, losses=[[1.0, -1.0, 2.0], *GOOD_LOSSES[1:]])),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_written(tmp_path: Path, said: str, spoil: object) -> None:
    database, run = filled(tmp_path / "a.duckdb")
    other = Database(tmp_path / "b.duckdb")
    before = other.revision()
    with pytest.raises(NotEvaluations, match=said) as caught:
        import_evaluations(other, spoil(export_evaluations(database, run)))
    assert caught.value.hint and other.revision() == before


@pytest.mark.parametrize("part", ["layers", "sequences"])
def test_a_file_does_not_change_the_size_of_a_known_game(tmp_path: Path, part: str) -> None:
    """The key of a game holds neither, so that a forged file would be of the very game of a good run."""
    database, run = filled(tmp_path / "a.duckdb")
    good = export_evaluations(database, run)
    if part == "sequences":
        forged = described(good, protocol={**vars(PROTOCOL), "sequences": 2})
        forged = changed(forged, losses=[[1.0, 2.0]] * 20, kl=[None] * 20)
    else:
        forged = described(good, model={**vars(MODEL), "layers": 7, "players": ()})
        forged = changed(forged, mask=[encode(mask) + "1" for mask in MASKS])
    before = Store(database).measured(run.game).keys()
    with pytest.raises(NotEvaluations, match="6 and 3 here"):
        import_evaluations(database, forged)
    assert Store(database).measured(run.game).keys() == before


def test_a_run_finds_what_was_imported(cli: Cli, tiny: Path, text_file: Path, tmp_path: Path) -> None:
    """A run of the same request elsewhere measures nothing, and comes to the same numbers."""
    request = ("run", "--model", tiny, "--corpus", text_file, "--sequences", 4, "--window", 16, "--masks", 40)
    request = (*request, "--no-search")
    first = cli(*request)[1]
    out, elsewhere = tmp_path / "all.parquet", tmp_path / "elsewhere.duckdb"
    status, answer, errors = cli("evaluations", "export", first["run"][:5], "--out", out)
    assert status == 0 and answer == {"path": str(out), "bytes": out.stat().st_size}, errors
    status, answer, errors = cli("evaluations", "import", out, cache=elsewhere)
    assert status == 0 and (answer["evaluations"], answer["fresh"]) == (41, 41), errors
    assert answer["protocol"] == first["protocol"] and answer["model"] == first["model"]
    second = cli(*request, cache=elsewhere)[1]
    assert second["evaluations"] == {"measured": 0, "cached": 41}
    assert second["contributions"] == first["contributions"]


def test_commands_refuse_in_words(cli: Cli, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.parquet"
    wrong.write_text("no")
    assert cli("evaluations", "import", wrong)[1]["error"]["kind"] == "NotEvaluations"
    os.mkfifo(tmp_path / "pipe.parquet")
    with (tmp_path / "sparse.parquet").open("wb") as file:
        file.truncate(3 * 2**30)
    for name in ("none.parquet", "pipe.parquet", "sparse.parquet"):
        assert "cannot be read" in cli("evaluations", "import", tmp_path / name)[1]["error"]["message"]
    assert cli("evaluations", "export", "zzzz", "--out", tmp_path / "new")[1]["error"]["kind"] == "RunNotFound"
    assert cli("evaluations", "export", "zzzz", "--out", wrong)[1]["error"]["kind"] == "ExportError"


@pytest.mark.parametrize("shared", [True, False])
def test_a_small_file_of_long_masks_is_refused_before_it_is_unpacked(cache_file: Path, shared: bool) -> None:
    """One mask of a megabyte that a thousand rows refer to: less than a kilobyte, and a gigabyte when unpacked."""
    rows = 1000
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["1" * 2**20]))
    kind = pa.list_(pa.float32())
    table = pa.table(
        {
            "mask": column if shared else column.take(pa.array(range(300))).cast(pa.string()),
            "losses": pa.array([[1.0]] * (rows if shared else 300), kind),
            "kl": pa.array([None] * (rows if shared else 300), kind),
        }
    )
    file = io.BytesIO()
    pq.write_table(
        table, file, compression="zstd", store_schema=False, dictionary_pagesize_limit=2**30, use_dictionary=shared
    )
    assert len(file.getvalue()) < 2**17
    del table, column
    before = pa.total_allocated_bytes()
    with pytest.raises(NotEvaluations, match="The file is too large"):
        import_evaluations(Database(cache_file), file.getvalue())
    assert pa.default_memory_pool().max_memory() - before < 2**29 or not shared
