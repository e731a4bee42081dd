"""Everything measured in a game as one Parquet file, which another results file takes in without measuring it again.

Columns: `mask` ('1' for a kept layer), `losses` (each sequence's mean NLL, nats a token) and `kl` (each sequence's KL
from the whole model, nats a token; null where nobody asked). The model, the protocol, what 16 bits cost and the
release of the metric are the file's metadata, as JSON. A file is checked as a whole before anything of it is written.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, TypeVar, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cache.consistent import check_record
from cache.database import Database
from cache.exchange import unpacking
from cache.exchange.imports import note
from cache.exchange.unpacking import METADATA, SCHEMA
from cache.keys import METRIC, game_key
from cache.queries import StoredRun
from cache.store import Store, insert
from cache.stored_records import check_rows
from core.errors import NotEvaluations, RunNotFound
from core.records.results import Precision
from core.records.spec import BOS_CHOICES, Losses, ModelInfo, TextProtocol
from core.records.storage import Evaluation

# Inside a stored list, a NaN has become a NULL on its way through pandas; a file says what it was.
_NUMBERS = "list_transform({}, lambda value: coalesce(value, 'nan'::FLOAT))"
LARGEST = 2**28  # bytes of a file that is read
_AT_ONCE = 2**20  # numbers that are stored at once
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
    columns = dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True))
    table = pa.table(columns, schema=SCHEMA.with_metadata({METADATA: json.dumps(metadata).encode()}))
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def import_evaluations(database: Database, content: bytes, name: str = "a file") -> Imported:
    """Takes the evaluations of a file into the results file; one that is already there stays as it is.

    What is new is noted as that file's, by its name and SHA-256 (`cache.exchange.imports`), in the same transaction.

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
        for begin in range(0, len(measured), step := max(1, _AT_ONCE // protocol.sequences)):
            insert(connection, game, measured[begin : begin + step])
        note(connection, hashlib.sha256(content).hexdigest(), name, game, fresh)
    if precision is not None and store.precision(game) is None:
        store.save_precision(game, precision)
    return Imported(game, model, protocol, len(masks), len(fresh))


def _read(content: bytes) -> pa.Table:
    """The columns of a file, which a process of its own has unpacked (`cache.exchange.unpacking`)."""
    if len(content) > LARGEST:
        raise NotEvaluations(f"The file is too large: {len(content):,} bytes.", f"At most {LARGEST:,} are read.")
    command = [sys.executable, str(Path(unpacking.__file__))]
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, input=content, stdout=PIPE, stderr=DEVNULL, env=environment, check=False)
    end = done.stdout.find(b"\n") + 1
    try:
        answer = json.loads(done.stdout[:end])
        if not answer:
            return pa.ipc.open_stream(pa.py_buffer(done.stdout)[end:]).read_all()
    except (ValueError, pa.ArrowException) as cause:
        raise NotEvaluations("The file is damaged, or takes more than a GiB to unpack.", _AGAIN) from cause
    raise NotEvaluations(answer["refused"], answer["hint"] or _AGAIN)


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
        metadata = json.loads((table.schema.metadata or {})[METADATA])
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
    lists = pa.concat_arrays(table[column].chunks)
    numbers, lengths = lists.flatten(), pc.list_value_length(lists).drop_null()
    if numbers.null_count:
        raise NotEvaluations(f"A mask has a null among its {column}.", _AGAIN)
    wrong = next((length for length in lengths.unique().to_pylist() if length != sequences), None)
    if wrong is not None:
        raise NotEvaluations(f"A mask has {wrong} {column} and not one of each of {sequences} sequences.", _AGAIN)
    rows = numbers.to_numpy().reshape(len(lengths), -1) if len(lengths) else np.empty((0, 0), np.float32)
    if column == "losses" and (rows < 0).any():
        raise NotEvaluations("A loss is below zero, which no NLL is.", _AGAIN)
    found = iter(rows)
    return [next(found) if valid else None for valid in lists.is_valid().to_pylist()]
