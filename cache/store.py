"""The write side of the cache: what the engine keeps, and finds again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection

from cache import labels, other_texts, queries
from cache.behaviour import compensated_rows, plan_traits, task_answers, task_needs
from cache.database import Database
from cache.keys import game_key, run_key
from cache.stored_records import check_rows, stored
from core.attribution.stability import findings
from core.coalitions.masks import Masks, encode
from core.records.behaviour.needs import TaskNeeds
from core.records.behaviour.task_scores import Answer
from core.records.behaviour.traits import Trait, Traits
from core.records.diagnostics import Diagnostics
from core.records.mends import CompensatedPlans
from core.records.plans import Comparison, Scores, Selection
from core.records.results import Precision, RunResult
from core.records.spec import ModelInfo, RunSpec, TextProtocol
from core.records.storage import Evaluation

_EVALUATIONS = "SELECT mask, losses, kl FROM evaluations LEFT JOIN divergences USING (game, mask) WHERE game = ?"


class Store:
    """Satisfies `core.records.storage.Store` with a DuckDB file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database(self) -> Database:
        """The file that it writes to."""
        return self._database

    def open_game(self, model: ModelInfo, protocol: TextProtocol) -> str:
        """The key of a game, known to the file from now on."""
        game = game_key(model, protocol)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO games (game, model, protocol) VALUES (?, ?, ?)",
                [game, json.dumps(asdict(model)), json.dumps(asdict(protocol))],
            )
        return game

    def record_texts(self, fingerprint: str, tokens: str, texts: Sequence[str]) -> None:
        """Keeps how the sequences of some tokens begin, as the model of that fingerprint reads them."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", [fingerprint, tokens, json.dumps(list(texts))]
            )

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether this process alone may measure a game, or a run, now."""
        with self._database.claim(name) as granted:
            yield granted

    def begin(self, game: str, spec: RunSpec, protocol: TextProtocol, strata: Sequence[int]) -> str:
        """Marks a run as running, new or resumed, and names it."""
        run = run_key(game, protocol, strata, spec)
        with self._database.writing() as connection:
            labels.begun(connection, run)
            connection.execute(
                """
                INSERT INTO runs (run, game, spec, strata, status, started, changed)
                VALUES (?, ?, ?, ?, 'running', now(), now())
                ON CONFLICT DO UPDATE SET
                    status = 'running', message = NULL, spec = excluded.spec, changed = excluded.changed
                """,
                [run, game, json.dumps(asdict(spec)), list(strata)],
            )
        return run

    def own(self, run: str, owner: str) -> None:
        """Keeps who started a run; whoever starts it again does not take it over."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO owners VALUES (?, ?)", [run, owner])

    def known(self, game: str, masks: Masks) -> dict[int, Evaluation]:
        """What is stored of `masks` (masks, players), by row."""
        asked = pd.DataFrame({"mask": [encode(mask) for mask in masks], "row": np.arange(len(masks))})
        with self._database.reading() as connection:
            connection.register("asked", asked)
            rows = connection.execute(
                f'SELECT "row", mask, losses, kl FROM asked JOIN ({_EVALUATIONS}) USING (mask)', [game]
            ).fetchall()
            check_rows(connection, self._database.file, game, [found for _, *found in rows])
        return {row: _evaluation(*found) for row, *found in rows}

    def measured(self, game: str) -> dict[str, Evaluation]:
        """Everything that was measured of a game, by mask."""
        with self._database.reading() as connection:
            rows = connection.execute(_EVALUATIONS, [game]).fetchall()
            check_rows(connection, self._database.file, game, rows)
        return {row[0]: _evaluation(*row) for row in rows}

    def record(self, game: str, measured: Sequence[Evaluation]) -> None:
        """Keeps evaluations for ever, losses and divergences in one transaction; what is already there stays."""
        with self._database.writing() as connection:
            insert(connection, game, measured)

    def rises_elsewhere(self, game: str) -> list[dict[str, float]]:
        """For each other text that was calibrated on, by mask, how much the mean loss of a game's model rises."""
        return other_texts.rises_elsewhere(self._database, game)

    def answers(self, model: ModelInfo, mask: str, items: Sequence[str]) -> dict[str, Answer]:
        """What is stored of a model with the players of `mask`, by the digests of items."""
        return task_answers.known(self._database, model, mask, items)

    def record_answers(self, model: ModelInfo, fresh: Mapping[str, Mapping[str, Answer]]) -> None:
        """Keeps answers by masks and items in one transaction; what is already there stays."""
        with self._database.writing() as connection:
            task_answers.insert(connection, model, fresh)

    def traits(self, model: ModelInfo, masks: Sequence[str]) -> dict[str, Traits]:
        """What else is stored of a model with the players of each mask."""
        return plan_traits.known(self._database, model, masks)

    def record_traits(self, model: ModelInfo, mask: str, *found: Trait) -> None:
        """Keeps what was measured, in place of what was measured in the same way."""
        with self._database.writing() as connection:
            plan_traits.insert(connection, model, mask, found)

    def record_needs(self, run: str, found: Sequence[TaskNeeds]) -> None:
        """Keeps which layers tasks need, in place of what was known of the same tasks."""
        with self._database.writing() as connection:
            task_needs.insert(connection, run, found)

    def selection(self, run: str, protected: Sequence[int]) -> Selection | None:
        """What a search found for a run with these players protected, if there was one."""
        return queries.selection(self._database, run, protected)

    def save_selection(self, run: str, selection: Selection) -> None:
        """Keeps what a search found for a run, in place of an earlier one with the same layers protected."""
        row = [run, json.dumps(selection.protected), json.dumps(asdict(selection))]
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO selections VALUES (?, ?, ?, now(), NULL)", row)

    def compensated(
        self, run: str, protected: Sequence[int], how: str, judged: str, fitted: str | None = None
    ) -> CompensatedPlans | None:
        """What is known of a search's finalists compensated in one way, with these players protected.

        `judged` and `fitted` name the windows by their fingerprints; None: the fits that were made last.
        """
        return compensated_rows.known(self._database, run, protected, how, judged, fitted)

    def save_compensated(self, run: str, found: CompensatedPlans) -> None:
        """Keeps that, in place of what was known of it."""
        with self._database.writing() as connection:
            compensated_rows.insert(connection, run, found)

    def precision(self, game: str) -> Precision | None:
        """What 16 bits cost in this game, if it has been measured."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT precision FROM games WHERE game = ?", [game]).fetchone()
        return stored(Precision, row[0], self._database.file, f"game {game}") if row and row[0] else None

    def save_comparison(self, run: str, comparison: Comparison) -> None:
        """Keeps how a run's methods compare; it replaces an earlier comparison of the run."""
        row = [run, json.dumps(asdict(comparison))]
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO comparisons VALUES (?, ?)", row)

    def save_scores(self, run: str, scores: Scores) -> None:
        """Keeps what the literature's criteria say of a run's players, in place of what was known of it."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?)", [run, json.dumps(asdict(scores))])

    def save_precision(self, game: str, precision: Precision) -> None:
        """Keeps it for every run of the game."""
        with self._database.writing() as connection:
            connection.execute("UPDATE games SET precision = ? WHERE game = ?", [json.dumps(asdict(precision)), game])

    def save_diagnostics(self, run: str, diagnostics: Diagnostics) -> None:
        """Keeps how far a run's surrogates can be trusted, in place of what was known of it."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO diagnostics VALUES (?, ?)", [run, json.dumps(asdict(diagnostics))]
            )

    def save(self, result: RunResult, status: str) -> None:
        """Keeps what a run has found so far, or at its end."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE runs SET result = ?, findings = ?, status = ?, changed = now() WHERE run = ?",
                [json.dumps(asdict(result)), json.dumps(asdict(findings(result))), status, result.run],
            )

    def adopt(self, game: str, spec: RunSpec, result: RunResult, started: pd.Timestamp) -> None:
        """Takes in a run that was finished elsewhere; one of the same name stays as it is."""
        own = [json.dumps(asdict(record)) for record in (spec, result, findings(result))]
        with self._database.writing() as connection:
            connection.execute(
                """
                INSERT OR IGNORE INTO runs (run, game, strata, started, changed, status, spec, result, findings)
                VALUES ($1, $2, $3, $4, $4, 'finished', $5, $6, $7)
                """,
                [result.run, game, list(result.strata), started, *own],
            )

    def close(self, run: str, status: str, message: str | None = None) -> None:
        """Marks a run as cancelled or failed; its last result stays."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE runs SET status = ?, message = ?, changed = now() WHERE run = ?", [status, message, run]
            )


def insert(connection: DuckDBPyConnection, game: str, measured: Sequence[Evaluation]) -> None:
    """Adds evaluations within a transaction; what is already there stays."""
    rows = pd.DataFrame(
        {
            "game": game,
            "mask": [item.mask for item in measured],
            "losses": [item.losses.tolist() for item in measured],
            "kl": [item.divergences.tolist() if item.divergences is not None else None for item in measured],
        }
    )
    connection.register("fresh", rows)
    connection.execute("INSERT OR IGNORE INTO evaluations SELECT game, mask, losses FROM fresh")
    if rows["kl"].notna().any():
        connection.execute("INSERT OR IGNORE INTO divergences SELECT game, mask, kl FROM fresh WHERE kl IS NOT NULL")


def _evaluation(mask: str, losses: list[float], divergences: list[float] | None) -> Evaluation:
    found = np.array(divergences, dtype=np.float32) if divergences is not None else None
    return Evaluation(mask, np.array(losses, dtype=np.float32), found)
