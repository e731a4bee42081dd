"""The parts of a run after its coalitions: in which order they come, and what is left of them when one is cut short."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cache import evaluations, queries
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import encode, without
from core.errors import EvaluationError
from core.records.behaviour.task_scores import SUMS_OF_A_PLAN
from core.records.events import Estimated, Event, Finished, Planned, Progress, Selected, Stage
from core.records.spec import RunSpec
from core.run.closing import Closing
from core.run.engine import Engine
from core.run.searching import OF_A_RUN, left_to_search
from core.selection.targets import Request
from core.surrogate import paper_network
from core.surrogate.validation import KINDS


@pytest.fixture
def small(spec: RunSpec) -> RunSpec:
    return replace(spec, masks=20, sequences=2, dtype="float32")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The surrogates that take long are of no interest here."""
    monkeypatch.setattr("core.surrogate.validation.OTHER_KINDS", ("Ridge on pairs of layers",))
    kinds = {name: kind for name, kind in KINDS.items() if "etwork" not in name and "trees" not in name}
    monkeypatch.setattr("core.surrogate.diagnose.KINDS", kinds)


def parts(events: list[Event]) -> list[str]:
    """The parts in order, each once."""
    return list(dict.fromkeys(event.part for event in events if isinstance(event, Progress)))


def test_a_run_ends_with_plans_and_then_with_what_nobody_waits_for(cache_file: Path, small: RunSpec) -> None:
    database = Database(cache_file)
    events: list[Event] = []
    stored: dict[str, tuple[str, bool]] = {}
    for event in Engine(Store(database)).run(small, search=True):
        events.append(event)
        if isinstance(event, Progress):
            [run] = queries.runs(database)
            stored.setdefault(event.part, (run.status, queries.last_selection(database, run.run) is not None))
    every = ["coalitions", "fit", "search", "predictions", "surrogates"]
    assert parts(events) == every, "float32 is not held against itself"
    assert stored["fit"][0] == "running"
    assert stored["search"] == ("finished", False) and stored["predictions"] == ("finished", True)
    last = events[-1]
    assert isinstance(last, Finished)
    [final, planned] = [event for event in events if isinstance(event, Estimated | Planned)][-2:]
    assert isinstance(final, Estimated) and isinstance(planned, Planned)
    assert final.result.contributions == last.result.contributions and final.result.bands == last.result.bands
    assert len(final.result.others) == 2 < len(last.result.others)
    found = queries.selection(database, last.result.run, ())
    assert found is not None and found.units == OF_A_RUN.units and planned.counts == tuple(p.count for p in found.plans)
    asked = queries.find_run(database, last.result.run)
    assert found.protocol != asked.result.protocol, "finalists are settled on more windows"
    here = Store(database).measured(asked.game)
    for plan in found.plans:
        assert "".join("0" if layer in plan.removed else "1" for layer in range(8)) in here, "and measured on the run's"
    by_select = list(Engine(Store(database)).select(asked.run, asked.game, asked.resolved, OF_A_RUN))[-1]
    assert replace(by_select.selection, spent=0, plain=0) == replace(found, spent=0, plain=0)


def test_what_plans_predict_follows_when_a_run_goes_on(cache_file: Path, small: RunSpec) -> None:
    """Left while it asks the first of them; run again, every one is known, by one evaluation, as `select` leaves it."""
    store = Store(Database(cache_file))
    events = Engine(store).run(small, search=True)
    for event in events:
        if isinstance(event, Progress) and event.part == "predictions":
            break
    events.close()
    [*again, last] = Engine(store).run(small, search=True)
    assert "predictions" in parts(again) and "search" not in parts(again) and isinstance(last, Finished)
    found = queries.selection(store.database, last.result.run, ())
    assert found is not None and len(found.plans) > 1
    every = [encode(without(8, plan.removed)) for plan in found.plans]
    known = store.traits(last.result.model, every)
    [how] = {how for traits in known.values() for how in traits.predicts}
    assert all(len(traits.predicts) == 1 for traits in known.values()) and "evaluation" in how
    assert all([score.items for score in traits.task.values()] == [SUMS_OF_A_PLAN] for traits in known.values())
    asked = queries.find_run(store.database, last.result.run)
    [*events, selected] = Engine(store).select(asked.run, asked.game, asked.resolved, OF_A_RUN)
    assert any(isinstance(event, Planned) for event in events) and isinstance(selected, Selected)
    assert store.traits(last.result.model, every) == known


def test_shares_grow_and_nothing_is_left_out(cache_file: Path, small: RunSpec) -> None:
    events = list(Engine(Store(Database(cache_file))).run(small, search=True))
    shares = [event.share for event in events if isinstance(event, Progress)]
    assert shares == sorted(shares) and shares[-1] < 1
    places = {event.part: event.nth for event in events if isinstance(event, Progress)}
    assert places == {part: (place, len(places)) for place, part in enumerate(parts(events), 1)}
    assert all(not event.seconds_left < 1 for event in events if isinstance(event, Progress))


def test_a_search_that_was_made_is_not_made_again(cache_file: Path, small: RunSpec) -> None:
    database = Database(cache_file)
    [*_, last] = Engine(Store(database)).run(small, search=True)
    before = evaluations.count_evaluations(database)
    again = list(Engine(Store(database)).run(small, search=True))
    assert parts(again) == ["coalitions", "fit", "predictions", "surrogates"]
    assert evaluations.count_evaluations(database) == before
    store, run = Store(database), last.result.run
    assert left_to_search(store, run, 8) is None
    store.save_selection(run, replace(store.selection(run, ()), units=0.1))
    assert left_to_search(store, run, 8) == Request(OF_A_RUN.units, 4), "a smaller one does not do"
    assert left_to_search(store, "another", 1) is None, "one player cannot be removed"


def test_a_run_without_search_has_none(cache_file: Path, small: RunSpec) -> None:
    database = Database(cache_file)
    events = list(Engine(Store(database)).run(small))
    assert "search" not in parts(events) and queries.last_selection(database, events[-1].result.run) is None


def test_a_search_that_was_cut_short_goes_on(cache_file: Path, tmp_path: Path, small: RunSpec) -> None:
    """Cancelled in its middle: the run is a finished one, and its next start ends the search, measuring the rest."""
    database = Database(cache_file)

    class Enough(Exception):
        pass

    counted = Counter()

    def between() -> None:
        counted["pauses"] += 1
        if counted["pauses"] > 25:
            raise Enough

    with pytest.raises(Enough):
        list(Engine(Store(database), between).run(small, search=True))
    [run] = queries.runs(database)
    assert run.status == "finished" and queries.last_selection(database, run.run) is None
    begun = evaluations.count_evaluations(database)
    [*_, last] = Engine(Store(database)).run(small, search=True)
    assert last.result.measured == 0 and evaluations.count_evaluations(database) > begun
    [*_, alone] = Engine(Store(Database(tmp_path / "alone.duckdb"))).run(small, search=True)
    found, unbroken = (
        queries.last_selection(Database(file), result.run)
        for file, result in ((cache_file, last.result), (tmp_path / "alone.duckdb", alone.result))
    )
    assert found is not None and unbroken is not None
    assert found.plans == unbroken.plans


def test_a_search_that_fails_says_so_and_the_run_ends(
    cache_file: Path, small: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EvaluationError("No numbers there.", "Another text.")

    monkeypatch.setattr("core.run.searching.plan", fail)
    events = list(Engine(Store(Database(cache_file))).run(small, search=True))
    assert isinstance(events[-1], Finished)
    assert "There are no plans: No numbers there." in [event.text for event in events if isinstance(event, Stage)]


def test_what_fails_after_the_contributions_leaves_a_finished_run(
    cache_file: Path, small: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Closing, "_compared", fail)
    with pytest.raises(MemoryError):
        list(Engine(Store(Database(cache_file))).run(small))
    [run] = queries.runs(Database(cache_file))
    assert run.status == "finished" and run.result is not None


def test_contributions_sharpen_at_every_tenth(cache_file: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as that costs little; hyperparameters are learnt anew when four times as much is known."""
    monkeypatch.setattr("core.run.measure._AT_MOST", 1e9)
    monkeypatch.setattr("core.evaluate.cached._PARTS", 0)
    events = list(Engine(Store(Database(cache_file))).run(replace(spec, masks=99)))
    early = [event.result for event in events if isinstance(event, Estimated)][:-1]
    known = [result.surrogate.masks + 1 for result in early]
    assert {count * 10 // 100 for count in known} >= set(range(2, 10)), known


def test_whoever_cannot_wait_is_heard_within_every_fit(cache_file: Path, spec: RunSpec) -> None:
    """Pauses of a comparison of surrogates, by what is between them: never a whole fit of the costliest kind."""
    pauses = Counter()
    paper_network.fit(*_made_up(), 0, lambda: pauses.update([("ensemble", torch.is_inference_mode_enabled())]))
    paper_network.fit_as_paper(*_made_up(), 0, lambda: pauses.update([("paper", torch.is_inference_mode_enabled())]))
    assert pauses == {("ensemble", False): 100, ("paper", False): 30}, "a model that is loaded there has gradients"


def _made_up() -> tuple:
    rng = np.random.default_rng(0)
    return rng.random((12, 4)) < 0.5, rng.random(12)
