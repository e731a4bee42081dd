"""What pages read from the results file on every rerun, read again only when the file has changed.

A connection takes tens of milliseconds and shuts out whoever measures; asking whether the file has changed takes none.
"""

import time
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any

from cache import evaluations, going, labels, queries
from cache.basis import Basis, asked, count_usable, counted
from cache.behaviour import compensated_rows, plan_traits, task_needs
from cache.database import Database
from cache.evaluations import Perplexity, perplexity_without
from cache.labels import Label
from cache.queries import StoredRun
from core.coalitions.masks import encode, without
from core.coalitions.measurements import Floats
from core.coalitions.worth import LOSSES
from core.records.behaviour.needs import TaskNeeds
from core.records.behaviour.traits import Traits
from core.records.mends import CompensatedPlans
from core.records.plans import Comparison, Scores, Selection
from core.records.spec import ModelInfo

_MOST = 64  # questions whose answers are kept
_LOOK = 1.0  # seconds for which what was found of processes that measure is taken to hold


def runs(database: Database) -> list[StoredRun]:
    """All runs as they are written, the newest first."""
    found: list[StoredRun] = _read(database, _runs)
    return found


def _runs(database: Database) -> list[StoredRun]:
    """The same, of which those are read that have changed since they were read last."""
    global _last
    file, before = _last
    _last = database.file, queries.runs(database, before=before if file == database.file else ())
    return _last[1]


def deleted(database: Database) -> dict[str, Label]:
    """The deleted runs that can be brought back."""
    found: dict[str, Label] = _read(database, labels.deleted)
    return found


def can_go(database: Database) -> dict[str, int]:
    """Of each run with a search, how many layers can go for `targets.ACCEPTED`."""
    found: dict[str, int] = _read(database, going.every)
    return found


def standing(database: Database) -> dict[str, tuple[str, Hashable]]:
    """Of every run its status, and when it or its result has last changed: what tells that a page is out of date.

    The killed ones are told from those that go on, though the file says the same of both.
    """
    global _looked
    written = _read(database, queries.ends)
    with _looking:
        if _looked is None or _looked[0] is not written or time.monotonic() > _looked[1]:
            held = {run for run, status, _ in written if status == "running" and queries.is_held(database, run)}
            found = {
                run: ("interrupted" if status == "running" and run not in held else status, changed)
                for run, status, changed in written
            }
            _looked = written, time.monotonic() + _LOOK, found
        return _looked[2]


def basis(database: Database, run: StoredRun, measured: str = LOSSES) -> Basis:
    """How many coalitions the estimates of a run rest on, of what is measured of them, as in `worth.MEASURED`."""
    found: Basis = _read(database, counted, asked(database, run), measured)
    return found


def usable(database: Database, game: str) -> int:
    """How many coalitions of a game could be fitted to."""
    found: int = _read(database, count_usable, game)
    return found


def selection(database: Database, run: str) -> Selection | None:
    """What the last search found for a run, if there was one."""
    found: Selection | None = _read(database, queries.last_selection, run)
    return found


def compensated(database: Database, run: str, search: Selection) -> tuple[CompensatedPlans, ...]:
    """The finalists of a search after compensation, in each way that was asked for."""
    found: tuple[CompensatedPlans, ...] = _read(database, compensated_rows.of_search, run, search)
    return found


def comparison(database: Database, run: str) -> Comparison | None:
    """How methods compared the last time that it was asked for a run."""
    found: Comparison | None = _read(database, queries.comparison, run)
    return found


def losses(database: Database, game: str, masks: tuple[str, ...]) -> dict[str, Floats]:
    """What is known of some masks in a game: the loss of every sequence, nats a token."""
    found: dict[str, Floats] = _read(database, evaluations.losses, game, masks)
    return found


def all_known(
    database: Database, run: StoredRun, removals: Iterable[tuple[int, ...]]
) -> dict[tuple[int, ...], Perplexity]:
    """The measured perplexity without some layers on the run's text, of those removals that are there."""
    assert run.result is not None
    layers, asked = len(run.result.model.players), tuple(removals)
    masks = ["1" * layers, *(encode(without(layers, removed)) for removed in asked)]
    found = losses(database, run.game, tuple(dict.fromkeys(masks)))
    told = {removed: perplexity_without(found, layers, removed) for removed in asked}
    return {removed: perplexity for removed, perplexity in told.items() if perplexity is not None}


def traits(database: Database, model: ModelInfo, removals: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], Traits]:
    """What else is known of a model without some players."""
    found: dict[tuple[int, ...], Traits] = _read(database, plan_traits.of_removals, model, tuple(removals))
    return found


def needs(database: Database, run: str, players: int) -> tuple[TaskNeeds, ...]:
    """Which layers tasks need, as far as it was asked for a run."""
    found: tuple[TaskNeeds, ...] = _read(database, task_needs.known, run, players)
    return found


def scores(database: Database, run: str) -> Scores | None:
    """What the literature's criteria say of a run's players, if it was asked for."""
    found: Scores | None = _read(database, queries.scores, run)
    return found


def texts(database: Database, fingerprint: str, tokens: str) -> tuple[str, ...]:
    """How the sequences of some tokens begin; none where that is not known."""
    found: tuple[str, ...] = _read(database, queries.texts, fingerprint, tokens)
    return found


_known: dict[tuple[Hashable, ...], tuple[tuple[int, int], Any]] = {}  # of each question, the newest answer
_reading = Lock()
_last: tuple[Path | None, list[StoredRun]] = None, []
_looked: tuple[object, float, dict[str, tuple[str, Hashable]]] | None = None
_looking = Lock()


def _read(database: Database, query: Callable[..., Any], *arguments: Hashable) -> Any:
    """One session reads, and all share what it has read, which nobody changes.

    Streamlit's own cache would copy it on every rerun, and keep the answers of files as they once were.
    """
    question, revision = (database.file, query, *arguments), database.revision()
    known = _known.get(question)
    if known is None or known[0] != revision:
        with _reading:
            known = _known.get(question)
            if known is None or known[0] != revision:
                known = revision, query(database, *arguments)
                _known.pop(question, None)
                _known[question] = known
                if len(_known) > _MOST:
                    del _known[next(iter(_known))]
    return known[1]
