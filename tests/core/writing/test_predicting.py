"""Many plans predicted together give what each gives alone, and nothing is measured twice."""

from functools import partial
from pathlib import Path

import pytest

from cache.database import Database
from cache.store import Store
from core.errors import SelectionError
from core.records.behaviour.writes import Predicts
from core.records.events import Behaved, Event, Searching
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.writing.predicting import predicting

PLANS = [(1,), (0, 3, 4), (2, 5)]


def asked(file: Path, spec: RunSpec, removals: list[tuple[int, ...]]) -> tuple[list[Predicts], list[Event]]:
    work = Engine(Store(Database(file))).lend(partial(predicting, spec=spec, removals=removals, windows=5))
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return end.value[1], [event for event in events if isinstance(event, Searching)]


def test_together_as_alone_and_once(spec: RunSpec, tmp_path: Path) -> None:
    together, steps = asked(tmp_path / "all.duckdb", spec, PLANS)
    assert steps[-1].share == pytest.approx(1.0)
    for plan, found in zip(PLANS, together, strict=True):
        assert asked(tmp_path / f"{len(plan)}.duckdb", spec, [plan])[0] == [found]
    again, steps = asked(tmp_path / "all.duckdb", spec, [*PLANS[::-1], PLANS[0]])
    assert again == [*together[::-1], together[0]] and not steps, "nothing is measured again"


def test_a_judgement_is_kept_and_brings_its_predictions(spec: RunSpec, cache_file: Path) -> None:
    engine = Engine(Store(Database(cache_file)))
    *_, first = engine.behave(spec, PLANS[0], 4, 5)
    assert isinstance(first, Behaved)
    assert asked(cache_file, spec, [PLANS[0]]) == ([first.found.predicts], [])
    events = list(engine.behave(spec, PLANS[0], 4, 5))
    assert events[-1] == first and not any(isinstance(event, Searching) for event in events)
    *_, longer = engine.behave(spec, PLANS[0], 5, 5)
    assert isinstance(longer, Behaved) and longer.found.tokens == 5


def test_a_wrong_plan_is_named_before_any_forward(spec: RunSpec, cache_file: Path) -> None:
    with pytest.raises(SelectionError, match="99"):
        asked(cache_file, spec, [(1,), (99,)])
