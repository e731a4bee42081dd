"""What plans are asked that needs no data: all of it is kept, each once, as tasks and predictions alone find it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cache.database import Database
from cache.store import Store
from core.coalitions.masks import encode, without
from core.errors import CorpusError
from core.pauses import come
from core.records.behaviour.task_scores import SUMS_OF_A_PLAN
from core.records.behaviour.traits import Traits
from core.records.events import Event, Searching
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.tasks.answering import Questions, answered
from core.tasks.without_data import asking_without_data
from core.writing.predicting import predicting

REMOVALS = [(3,), (1, 5)]


@pytest.fixture
def small(spec: RunSpec) -> RunSpec:
    return replace(spec, sequences=2, dtype="float32")


def ask(store: Store, spec: RunSpec) -> list[Event]:
    return list(Engine(store).lend(partial(asking_without_data, spec=spec, removals=REMOVALS)))


def known(store: Store, spec: RunSpec) -> dict[str, Traits]:
    info, _ = come(
        Engine(store).lend(partial(answered, spec=spec, questions=Questions(("sums",), limit=1), removals=[()]))
    )
    return store.traits(info, [encode(without(8, removed)) for removed in [(), *REMOVALS]])


def test_each_is_asked_what_it_is_asked_alone(tmp_path: Path, small: RunSpec) -> None:
    store, alone = Store(Database(tmp_path / "both.duckdb")), Store(Database(tmp_path / "alone.duckdb"))
    shares = [event.share for event in ask(store, small) if isinstance(event, Searching)]
    assert shares == sorted(shares) and shares[0] < 0.5 < shares[-1] == 1
    come(Engine(alone).lend(partial(predicting, spec=small, removals=REMOVALS, windows=2)))
    questions = Questions(("sums",), limit=SUMS_OF_A_PLAN)
    come(Engine(alone).lend(partial(answered, spec=small, questions=questions, removals=[(), *REMOVALS])))
    found = known(store, small)
    assert found == known(alone, small) and all(
        SUMS_OF_A_PLAN in {one.items for one in each.task.values()} for each in found.values()
    )
    assert [len(each.predicts) for each in found.values()] == [0, 1, 1]


def test_nothing_is_asked_twice(cache_file: Path, small: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left after the first sums that were kept, and begun again."""
    store = Store(Database(cache_file))
    monkeypatch.setattr("core.tasks.answering._EVERY", 0.0)
    events = Engine(store).lend(partial(asking_without_data, spec=small, removals=REMOVALS))
    next(event for event in events if isinstance(event, Searching) and event.share > 0.6)
    events.close()
    asked: list[str] = []
    keep = Store.record_answers

    def noting(self: Store, model: object, fresh: dict[str, dict[str, object]]) -> None:
        asked.extend(f"{mask} {digest}" for mask, answers in fresh.items() for digest in answers)
        keep(self, model, fresh)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "record_answers", noting)
    ask(store, small)
    assert 0 < len(asked) == len(set(asked)) < 3 * SUMS_OF_A_PLAN
    asked.clear()
    ask(store, small)
    assert not asked


def test_a_text_without_another_half_says_so_once_the_sums_are_asked(cache_file: Path, small: RunSpec) -> None:
    store, whole = Store(Database(cache_file)), replace(small, sequences=100_000)
    with pytest.raises(CorpusError):
        ask(store, whole)
    assert all(each.task and not each.predicts for each in known(store, whole).values())
