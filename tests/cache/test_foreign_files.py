"""A results file from somebody else is data: ours, or refused by name and left as it is."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from cache import queries
from cache.database import Database
from cache.schema.migrations import MIGRATIONS
from cache.schema.shape import migrate
from core.errors import CacheError, CacheUnreadable, DiskFull, NotWritable
from tests.support.stored import store_run


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE customers (name VARCHAR)", "table main.customers"),
        ("CREATE TABLE schema_version (version VARCHAR)", "table main.schema_version"),
        ("CREATE VIEW runs AS SELECT * FROM read_csv('/etc/passwd')", "view main.runs"),
        ("CREATE VIEW schema_version AS SELECT 3 AS version", "view main.schema_version"),
    ],
)
def test_another_program_s_file_stays_as_it_is(cache_file: Path, statement: str, named: str) -> None:
    with duckdb.connect(cache_file) as connection:
        connection.execute(statement)
    before = digest(cache_file)
    with pytest.raises(CacheUnreadable, match=f"no results file of Quorum: .*{named}") as refused:
        Database(cache_file)
    assert digest(cache_file) == before and "left as it is" in refused.value.hint


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE mine (x INTEGER)", "table main.mine"),
        ("DROP TABLE texts", "table main.texts"),
        ("DROP TABLE texts; CREATE VIEW texts AS SELECT 'a' AS fingerprint", "view main.texts"),
        ("ALTER TABLE runs ADD COLUMN more VARCHAR", "table main.runs"),
        ("ALTER TABLE scores ALTER COLUMN scores SET DEFAULT (version())", "table main.scores"),
        ("ALTER TABLE evaluations ALTER COLUMN losses TYPE DOUBLE[]", "table main.evaluations"),
        ("CREATE MACRO now() AS 'never'", "function main.now"),
        (
            "CREATE MACRO duckdb_functions() AS TABLE SELECT '' AS function_name WHERE false; "
            "CREATE MACRO duckdb_tables() AS TABLE SELECT '' AS table_name WHERE false; "
            """CREATE MACRO max(x) AS 10; CREATE MACRO "||"(a, b) AS 'hidden'""",
            "function main.duckdb_functions",
        ),
        ("CREATE SCHEMA other", "schema other"),
        ("CREATE SEQUENCE numbers", "sequence main.numbers"),
        ("CREATE TYPE mood AS ENUM ('good')", "type main.mood"),
    ],
)
def test_a_results_file_that_was_changed_into_more_is_refused(cache_file: Path, statement: str, named: str) -> None:
    Database(cache_file)
    with duckdb.connect(cache_file) as connection:
        connection.execute(statement)
    before = digest(cache_file)
    with pytest.raises(CacheUnreadable, match=named):
        Database(cache_file)
    assert digest(cache_file) == before


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_files_of_earlier_releases_and_empty_ones_are_ours(cache_file: Path, version: int) -> None:
    cache_file.write_bytes(b"")
    if version:
        cache_file.unlink()
        with duckdb.connect(cache_file) as connection:
            migrate(connection, version)
    with Database(cache_file).reading() as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(len(MIGRATIONS),)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '{out}'",
        "ATTACH '{out}' AS other",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
def test_a_connection_reaches_nothing_outside_of_its_file(cache_file: Path, tmp_path: Path, statement: str) -> None:
    out = tmp_path / "out"
    with pytest.raises((duckdb.Error, CacheError)), Database(cache_file).reading() as connection:
        connection.execute(statement.format(out=out))
    assert not out.exists()


@pytest.mark.parametrize("cause", [duckdb.OutOfMemoryException("Out of Memory Error: failed"), MemoryError()])
def test_no_memory_is_no_damage(cache_file: Path, cause: Exception) -> None:
    database = Database(cache_file)
    with pytest.raises(CacheError, match="not enough memory") as refused, database.reading():
        raise cause
    assert "Move" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("FATAL Error: database has been invalidated: could not allocate a block", CacheError),
        ('IO Error: Cannot open file "{file}": Permission denied', NotWritable),
        ('IO Error: Cannot open file "{file}": Read-only file system', NotWritable),
        ('IO Error: Could not write file "{file}": No space left on device', DiskFull),
        ('IO Error: Could not read from file "{file}": Input/output error', CacheError),
        ('IO Error: Cannot open file "{file}": Too many open files', CacheError),
    ],
)
def test_what_is_no_damage_is_not_called_so(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    """Whatever the file and its folder are called."""
    database = Database(tmp_path / "corrupt" / "checksum.duckdb")
    with pytest.raises(kind) as refused, database.reading():
        raise duckdb.IOException(text.format(file=database.file))
    assert not isinstance(refused.value, CacheUnreadable) and "Move" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "column", "change", "cause"),
    [
        ("runs", "result", {"players": ["0", "1", "2", "3", "4", "5", "6", "<script>"]}, "'<script>' is no name"),
        ("runs", "result", {"players": ["0", "1", "2", "3", "4", "5", "6", "6a m"]}, "'6a m' is no name"),
        ("runs", "result", {"players": ["0", "1", "2", "3", "4", "5", "6", "7-8"]}, "no player 7-8 in a model of 8"),
        ("runs", "result", {"players": ["0", "1", "2", "3", "4", "5", "6", "7-6"]}, "'7-6' is no name"),
        ("runs", "result", {"players": ["0", "1", "2", "3", "4", "5", "6", "6"]}, "a player is named twice"),
        ("runs", "result", {"players": [], "layers": 10**9}, "1000000000 layers"),
        ("runs", "result", {"layers": "eight"}, "model.layers: "),
        ("games", "model", {"players": ["![x](http://foreign.invalid/x)"]}, "is no name"),
        ("games", "model", {"players": [], "layers": 10**9}, "1000000000 layers"),
    ],
)
def test_players_that_are_none_are_refused(
    cache_file: Path, table: str, column: str, change: dict[str, object], cause: str
) -> None:
    run = store_run(Database(cache_file), count=20).run
    with duckdb.connect(cache_file) as connection:
        [[text]] = connection.execute(f"SELECT {column} FROM {table}").fetchall()
        record = json.loads(text)
        (record if table == "games" else record["model"]).update(change)
        connection.execute(f"UPDATE {table} SET {column} = ?", [json.dumps(record)])
    database = Database(cache_file)
    with pytest.raises(CacheUnreadable, match="never writes") as refused:
        found = queries.find_run(database, run)
        _ = queries.players(database, found), found.result
    assert cause in refused.value.message and len(refused.value.message) < 600


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a b", "", "<img>", "x" * 300])
def test_a_run_whose_name_is_no_name_of_a_file_is_refused(cache_file: Path, name: str) -> None:
    """Whoever asks whether a run goes on opens a file of its name."""
    run = store_run(Database(cache_file), count=20).run
    with duckdb.connect(cache_file) as connection:
        connection.execute("UPDATE runs SET run = ?, status = 'running' WHERE run = ?", [name, run])
    with pytest.raises(CacheUnreadable, match="its name is"):
        queries.find_run(Database(cache_file), name)


@pytest.mark.parametrize(
    ("statement", "query"),
    [
        ("UPDATE runs SET spec = '{'", queries.runs),
        ("UPDATE runs SET result = '[]'", lambda database: queries.runs(database)[0].result),
        ("UPDATE runs SET result = '[]', findings = NULL", queries.runs),
        ("UPDATE runs SET findings = '{}'", queries.runs),
        ("INSERT INTO texts VALUES ('f', 't', '{\"a\": 1}')", lambda database: queries.texts(database, "f", "t")),
        ("INSERT INTO scores VALUES ('r', '3')", lambda database: queries.scores(database, "r")),
        ("INSERT INTO comparisons VALUES ('r', '[[')", lambda database: queries.comparison(database, "r")),
        ("INSERT INTO diagnostics VALUES ('r', '{}')", lambda database: queries.diagnostics(database, "r")),
    ],
)
def test_records_that_are_none_are_refused(
    cache_file: Path, statement: str, query: Callable[[Database], object]
) -> None:
    store_run(Database(cache_file), count=20)
    with duckdb.connect(cache_file) as connection:
        connection.execute(statement)
    with pytest.raises(CacheUnreadable, match="never writes"):
        query(Database(cache_file))
