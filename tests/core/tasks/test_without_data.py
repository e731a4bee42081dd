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
from core.records.behaviour.task_scores import SUMS_OF_A_PLAN, Answer
from core.records.behaviour.traits import Trait, Traits
from core.records.behaviour.writes import Predicts
from core.records.events import Event, Searching
from core.records.spec import ModelInfo, RunSpec
from core.run.engine import Engine
from core.tasks.answering import Questions, answered
from core.tasks.without_data import asking_without_data, evaluations
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
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] == 1
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
    asked: list[str] = []
    predicted: list[str] = []
    keep, put = Store.record_answers, Store.record_traits

    def noting(self: Store, model: ModelInfo, fresh: dict[str, dict[str, Answer]]) -> None:
        asked.extend(f"{mask} {digest}" for mask, answers in fresh.items() for digest in answers)
        keep(self, model, fresh)

    def putting(self: Store, model: ModelInfo, mask: str, *found: Trait) -> None:
        predicted.extend(mask for one in found if isinstance(one, Predicts))
        put(self, model, mask, *found)

    monkeypatch.setattr(Store, "record_answers", noting)
    monkeypatch.setattr(Store, "record_traits", putting)
    next(event for event in events if isinstance(event, Searching) and len(asked) > SUMS_OF_A_PLAN)
    events.close()
    assert len(asked) < 3 * SUMS_OF_A_PLAN and len(predicted) == 2
    for _ in range(2):
        ask(store, small)
        assert len(asked) == len(set(asked)) == 3 * SUMS_OF_A_PLAN and len(predicted) == 2


def test_a_text_without_another_half_says_so_once_the_sums_are_asked(cache_file: Path, small: RunSpec) -> None:
    store, whole = Store(Database(cache_file)), replace(small, sequences=100_000)
    with pytest.raises(CorpusError):
        ask(store, whole)
    assert all(each.task and not each.predicts for each in known(store, whole).values())


def test_what_the_page_of_figures_says_it_takes() -> None:
    """Sums take the same whatever the run's text: a longer one has less of them."""
    assert evaluations(10 * 128) == pytest.approx(1.1 + 2.0, abs=0.05)
    assert evaluations(32 * 2048) < 2.03 and evaluations(2 * 32) > 20
