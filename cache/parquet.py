"""Everything measured in a game as one Parquet file, which another results file takes in without measuring it again.

Columns: `mask` ('1' for a kept layer), `losses` (each sequence's mean NLL, nats a token) and `kl` (each sequence's KL
from the whole model, nats a token; null where nobody asked). The model, the protocol, what 16 bits cost and the
release of the metric are the file's metadata, as JSON. A file is checked as a whole before anything of it is written.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any, TypeVar, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cache.consistent import check_record
from cache.database import Database
from cache.imports import note
from cache.keys import METRIC, game_key
from cache.queries import StoredRun
from cache.store import Store, insert
from cache.stored_records import check_rows
from core.errors import NotEvaluations, RunNotFound
from core.records.results import Precision
from core.records.spec import BOS_CHOICES, Losses, ModelInfo, TextProtocol
from core.records.storage import Evaluation

_METADATA = b"quorum"
_SCHEMA = pa.schema(
    [
        pa.field("mask", pa.string()),
        pa.field("losses", pa.list_(pa.float32())),
        pa.field("kl", pa.list_(pa.float32())),
    ]
)
# Inside a stored list, a NaN has become a NULL on its way through pandas; a file says what it was.
_NUMBERS = "list_transform({}, lambda value: coalesce(value, 'nan'::FLOAT))"
# A few kilobytes can unpack to more than a machine holds. No run measures more than a million coalitions.
_MOST_ROWS, _MOST_NUMBERS, _MOST_BYTES = 2**21, 2**26, 2**28
_AGAIN = "Export it again from the results file that it came from: python -m app evaluations export RUN --out FILE."
Fields = TypeVar("Fields", ModelInfo, TextProtocol, Precision)


@dataclass(frozen=True)
class Imported:
    """What a file held, and how many of its evaluations were new."""

    game: str
    model: ModelInfo
    protocol: TextProtocol
    evaluations: int
    fresh: int


def export_evaluations(database: Database, run: StoredRun) -> bytes:
    """The Parquet file of everything measured in a run's game, also by previews and other runs.

    Raises:
        RunNotFound: nothing has been measured yet.
    """
    with database.reading() as connection:
        rows = connection.execute(
            f"SELECT mask, {_NUMBERS.format('losses')}, {_NUMBERS.format('kl')} "
            "FROM evaluations LEFT JOIN divergences USING (game, mask) WHERE game = ? ORDER BY mask",
            [run.game],
        ).fetchall()
        check_rows(connection, database.file, run.game, rows)
        about = connection.execute("SELECT model, protocol, precision FROM games WHERE game = ?", [run.game]).fetchone()
    if not rows or about is None:
        raise RunNotFound(f"Run {run.run} has measured nothing yet.", "Start it again: python -m app run.")
    model, protocol, precision = (json.loads(part) if part else None for part in about)
    metadata = {"metric": METRIC, "model": model, "protocol": protocol, "precision": precision}
    columns = dict(zip(_SCHEMA.names, zip(*rows, strict=True), strict=True))
    table = pa.table(columns, schema=_SCHEMA.with_metadata({_METADATA: json.dumps(metadata).encode()}))
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def import_evaluations(database: Database, content: bytes, name: str = "a file") -> Imported:
    """Takes the evaluations of a file into the results file; one that is already there stays as it is.

    What is new is noted as that file's, by its name and SHA-256 (`cache.imports`), in the same transaction.

    Raises:
        NotEvaluations: the file is something else, damaged, too large, of another metric, or contradicts what is
            known of its game. Nothing has been written then.
    """
    table = _read(content)
    model, protocol, precision = _about(table)
    masks = _masks(table, len(model.players))
    losses = _losses(table, "losses", protocol.sequences)
    divergences = _losses(table, "kl", protocol.sequences)
    missing = [mask for mask, found in zip(masks, losses, strict=True) if found is None]
    if missing:
        raise NotEvaluations(f"The mask {missing[0]} has no losses.", _AGAIN)
    _check_game(database, model, protocol)
    store = Store(database)
    game = store.open_game(model, protocol)
    rows = zip(masks, losses, divergences, strict=True)
    measured = [Evaluation(mask, found, kl) for mask, found, kl in rows if found is not None]
    with database.writing() as connection:
        known = {row[0] for row in connection.execute("SELECT mask FROM evaluations WHERE game = ?", [game]).fetchall()}
        fresh = [mask for mask in masks if mask not in known]
        insert(connection, game, measured)
        note(connection, hashlib.sha256(content).hexdigest(), name, game, fresh)
    if precision is not None and store.precision(game) is None:
        store.save_precision(game, precision)
    return Imported(game, model, protocol, len(masks), len(fresh))


def _read(content: bytes) -> pa.Table:
    try:
        _check_size((found := pq.ParquetFile(io.BytesIO(content))).metadata)
        _check_schema(found.schema_arrow)
        # A dictionary stays one: a value that a million rows share would be unpacked a million times.
        file = pq.ParquetFile(io.BytesIO(content), read_dictionary=["mask"])
        table = file.read(_SCHEMA.names, use_threads=False)
        _check_length(table["mask"])
        table = table.set_column(table.column_names.index("mask"), "mask", table["mask"].cast(pa.string()))
    except (pa.ArrowException, OSError) as cause:
        raise NotEvaluations(f"This is no Parquet file: {str(cause).splitlines()[0][:200]}", _AGAIN) from cause
    if not table.num_rows:
        raise NotEvaluations("The file holds no evaluation.", _AGAIN)
    return table


def _check_schema(found: pa.Schema) -> None:
    for field in _SCHEMA:
        if field.name not in found.names:
            raise NotEvaluations(
                f"The column {field.name} is missing; there are {', '.join(found.names) or 'none'}.", _AGAIN
            )
        kind = found.field(field.name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if kind != field.type:
            raise NotEvaluations(f"The column {field.name} is {kind}, not {field.type}.", _AGAIN)


def _check_length(masks: pa.ChunkedArray) -> None:
    """Before masks are written out, row by row: their values may be few, and long."""
    size = 0
    for chunk in masks.chunks:
        encoded = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
        lengths = pc.binary_length(encoded.dictionary).cast(pa.int64())
        size += pc.sum(lengths.take(encoded.indices)).as_py() or 0
    if size > _MOST_BYTES:
        raise NotEvaluations(
            f"The file is too large: its masks have {size:,} characters when unpacked.",
            f"At most {_MOST_BYTES:,} are read.",
        )


def _check_size(footer: pq.FileMetaData) -> None:
    """Before anything is unpacked: what the footer says of that."""
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    numbers = sum(group.column(index).num_values for group in groups for index in range(group.num_columns))
    size = sum(group.total_byte_size for group in groups)
    if footer.num_rows > _MOST_ROWS or numbers > _MOST_NUMBERS or size > _MOST_BYTES:
        raise NotEvaluations(
            f"The file is too large: {footer.num_rows:,} rows, {numbers:,} values, {size:,} bytes when unpacked.",
            f"At most {_MOST_ROWS:,} rows, {_MOST_NUMBERS:,} values and {_MOST_BYTES:,} bytes are read.",
        )


def _check_game(database: Database, model: ModelInfo, protocol: TextProtocol) -> None:
    """The key of a game holds neither its layers nor its sequences: a file must not change them."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT model, protocol FROM games WHERE game = ?", [game_key(model, protocol)]
        ).fetchone()
    if row is None:
        return
    layers, sequences = json.loads(row[0])["layers"], json.loads(row[1])["sequences"]
    if (model.layers, protocol.sequences) != (layers, sequences):
        raise NotEvaluations(
            f"The file says {model.layers} layers and {protocol.sequences} sequences; the same weights and tokens have "
            f"{layers} and {sequences} here.",
            _AGAIN,
        )


def _about(table: pa.Table) -> tuple[ModelInfo, TextProtocol, Precision | None]:
    """The model, the protocol and what 16 bits cost, from the file's metadata."""
    try:
        metadata = json.loads((table.schema.metadata or {})[_METADATA])
        metric = metadata["metric"]
        model, protocol = _typed(ModelInfo, metadata["model"]), _typed(TextProtocol, metadata["protocol"])
        precision = _typed(Precision, metadata["precision"]) if metadata["precision"] else None
        if protocol.bos not in BOS_CHOICES or protocol.bos == "auto":
            raise ValueError(f"bos is {protocol.bos!r}")
        if not all(isinstance(name, str) for name in model.players):
            raise ValueError("players without a name")
        if model.layers > 0:
            check_record(model)
    except (KeyError, TypeError, ValueError, RecursionError) as cause:
        raise NotEvaluations(
            f"The file does not say which model and protocol its losses are of ({cause}).", _AGAIN
        ) from cause
    if metric != METRIC:
        raise NotEvaluations(
            f"The file's losses are of metric {metric}; this release measures metric {METRIC}, and the two do not "
            "compare.",
            "Use the same release of Quorum on both sides.",
        )
    if not (model.fingerprint and model.dtype and protocol.tokens):
        raise NotEvaluations("The file does not name the weights, the dtype or the tokens of its losses.", _AGAIN)
    if model.layers < 1 or protocol.sequences < 1:
        raise NotEvaluations("The file does not say how many layers or sequences its losses are of.", _AGAIN)
    return model, protocol, precision


def _typed(kind: type[Fields], found: dict[str, Any]) -> Fields:
    """A dataclass from JSON, or TypeError where a field is missing, unknown or of another type."""
    made = kind(**found)
    for name, wanted in get_type_hints(kind).items():
        value = getattr(made, name)
        wanted = int | float if wanted is float else tuple if get_origin(wanted) is tuple else wanted
        if not isinstance(value, wanted):
            raise TypeError(f"{name} is {value!r}")
    return made


def _masks(table: pa.Table, players: int) -> list[str]:
    masks: list[str] = table["mask"].to_pylist()
    wrong = [mask for mask in masks if mask is None or len(mask) != players or set(mask) - {"0", "1"}]
    if wrong:
        raise NotEvaluations(f"{wrong[0]} is no mask of the model's {players} players.", _AGAIN)
    if len(set(masks)) != len(masks):
        raise NotEvaluations("A mask is in the file twice.", _AGAIN)
    return masks


def _losses(table: pa.Table, column: str, sequences: int) -> list[Losses | None]:
    """One array (sequences,) for each mask; NaN and infinity are losses, too, and less than nothing is not."""
    found: list[Losses | None] = []
    for values in table[column].to_pylist():
        if values is not None and None in values:
            raise NotEvaluations(f"A mask has a null among its {column}.", _AGAIN)
        if values is not None and len(values) != sequences:
            raise NotEvaluations(
                f"A mask has {len(values)} {column} and not one of each of {sequences} sequences.", _AGAIN
            )
        found.append(None if values is None else np.array(values, dtype=np.float32))
    if column == "losses" and any(values is not None and (values < 0).any() for values in found):
        raise NotEvaluations("A loss is below zero, which no NLL is.", _AGAIN)
    return found
