"""A file brought to a schema, and whether it holds what the schema it names holds, and nothing else."""

from functools import cache

import duckdb
from duckdb import DuckDBPyConnection

from cache.schema.migrations import MIGRATIONS
from core.errors import CacheTooNew

Object = tuple[str, str, str | None]  # kind, name, and the statement that makes it


def migrate(connection: DuckDBPyConnection, upto: int = len(MIGRATIONS)) -> None:
    """Brings a file, new or old, to a schema, this release's or an earlier one, or raises CacheTooNew."""
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    for number in range(_version(connection), upto):
        connection.execute("BEGIN")
        MIGRATIONS[number](connection)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES (?)", [number + 1])
        connection.execute("COMMIT")


def strangers(connection: DuckDBPyConnection) -> list[str]:
    """What a file holds, or lacks, that the schema it says it has does not; none in a file of ours, or an empty one.

    A view, a macro or a default could compute anything when it is read; all is compared before anything is.

    Raises:
        CacheTooNew.
    """
    found = _objects(connection)
    if not found:
        return []
    if not wanted(0) <= found:
        return sorted(f"{kind} {name}" for kind, name, _ in found)
    return sorted({f"{kind} {name}" for kind, name, _ in found ^ wanted(_version(connection))})


@cache
def wanted(version: int = len(MIGRATIONS)) -> frozenset[Object]:
    """What a file of some schema holds."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        migrate(connection, version)
        return _objects(connection)


def _objects(connection: DuckDBPyConnection) -> frozenset[Object]:
    """Everything that somebody has made in a file, with the statement that made it.

    Functions by their full names, and no operator: a macro in the file may be called like any of them.
    """
    rows = connection.execute("""
        SELECT 'table', schema_name, table_name, sql FROM system.main.duckdb_tables() WHERE NOT internal
        UNION ALL SELECT 'view', schema_name, view_name, sql FROM system.main.duckdb_views() WHERE NOT internal
        UNION ALL SELECT 'function', schema_name, function_name, macro_definition
            FROM system.main.duckdb_functions() WHERE NOT internal
        UNION ALL SELECT 'sequence', schema_name, sequence_name, sql FROM system.main.duckdb_sequences()
        UNION ALL SELECT 'index', schema_name, index_name, sql FROM system.main.duckdb_indexes()
        UNION ALL SELECT 'type', schema_name, type_name, logical_type
            FROM system.main.duckdb_types() WHERE NOT internal
        UNION ALL SELECT 'schema', NULL, schema_name, NULL FROM system.main.duckdb_schemas() WHERE NOT internal
    """).fetchall()
    return frozenset((kind, f"{room}.{name}" if room else name, sql) for kind, room, name, sql in rows)


def _version(connection: DuckDBPyConnection) -> int:
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    version = row[0] if row else 0
    if version > len(MIGRATIONS):
        raise CacheTooNew(
            f"The results file has schema {version}; this release knows up to {len(MIGRATIONS)}.",
            "Update Quorum, or name another file with --cache FILE.",
        )
    return int(version)
