"""Which evaluations a run's estimates rest on, whatever else is measured of its game."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from app.example import shipped
from cache import evaluations, queries
from cache.basis import Basis, asked, counted, refitted
from cache.database import Database
from cache.queries import StoredRun
from cache.store import Store
from core.attribution.named_values import layer_values
from core.coalitions.masks import encode, without
from core.records.events import Finished
from core.records.spec import RunSpec
from core.records.storage import Evaluation
from core.run.engine import Engine
from core.sampling.samplers import begin
from tests.support.commands import Cli
from tests.support.finished import Finished as Runs
from tests.support.stored import DENSE, store_run

OTHERS = ["00000111", "10000000", "00011100"]  # smaller than all that a run samples


def look_around(database: Database, game: str, masks: list[str] = OTHERS) -> None:
    """Measures coalitions as a what-if does, with losses that would change any fit."""
    rng = np.random.default_rng(0)
    losses = [(DENSE + rng.uniform(0, 8, len(DENSE))).astype(np.float32) for _ in masks]
    Store(database).record(game, [Evaluation(mask, row, row) for mask, row in zip(masks, losses, strict=True)])


def masks_of(database: Database, run: StoredRun) -> set[str]:
    return set(map(encode, evaluations.measurements(database, run).masks))


def test_what_others_measure_is_taken_by_a_refit_alone(cache_file: Path) -> None:
    database = Database(cache_file)
    result = store_run(database, kl=True)
    run = queries.find_run(database, result.run)
    before = evaluations.measurements(database, run), evaluations.divergences(database, run)
    own = masks_of(database, run)
    assert len(own) == result.surrogate.masks and refitted(database, run) == run, "nothing to refit with"
    look_around(database, run.game)
    for old, new in zip(
        before, (evaluations.measurements(database, run), evaluations.divergences(database, run)), strict=True
    ):
        np.testing.assert_array_equal(old.masks, new.masks)
        np.testing.assert_array_equal(old.losses, new.losses)
    assert counted(database, asked(database, run)) == Basis(len(own), 0, refitted=False)
    every = refitted(database, run)
    assert masks_of(database, every) == own | set(OTHERS)
    assert str(counted(database, asked(database, every))) == (
        f"refitted: {len(own)} coalitions of the run and 3 further evaluations"
    )
    assert run.kept == result and every.kept is None, "a refit learns anew"


def test_a_refit_of_so_many_stays_when_there_are_more(cache_file: Path) -> None:
    """The first measured ones are taken first, in whatever order their masks are."""
    database = Database(cache_file)
    run = queries.find_run(database, store_run(database).run)
    own = masks_of(database, run)
    for mask in OTHERS:
        look_around(database, run.game, [mask])
    two = replace(run, refit=len(own) + 2)
    assert masks_of(database, two) == own | set(OTHERS[:2])
    look_around(database, run.game, ["00000001"])
    assert masks_of(database, two) == own | set(OTHERS[:2])


def test_what_no_fit_takes_is_not_counted(cache_file: Path) -> None:
    database = Database(cache_file)
    run = queries.find_run(database, store_run(database).run)
    Store(database).record(run.game, [Evaluation("00000011", np.full(4, np.nan, np.float32))])
    assert refitted(database, run) == run


def test_kl_of_the_runs_own_coalitions_is_enough(cache_file: Path) -> None:
    database = Database(cache_file)
    run = queries.find_run(database, store_run(database, kl=True).run)
    Store(database).record(run.game, [Evaluation(OTHERS[0], DENSE.astype(np.float32))])
    assert not evaluations.lacks_divergences(database, run)
    every = refitted(database, run)
    assert evaluations.lacks_divergences(database, every)
    assert counted(database, asked(database, every), "KL").further == 0


@pytest.mark.parametrize("sampler", ["stratified", "shapley", "exhaustive"])
def test_the_coalitions_of_a_run_follow_from_what_was_asked_for(
    finished: Runs, spec: RunSpec, cache_file: Path, sampler: str
) -> None:
    [name] = finished(replace(spec, sampler=sampler))
    database = Database(cache_file)
    run = queries.find_run(database, name)
    assert run.result is not None and run.result.added == ()
    assert masks_of(database, run) == {encode(mask) for mask in begin(run.spec, 8)[1][1:]}
    assert counted(database, asked(database, run)) == Basis(run.result.surrogate.masks, 0, refitted=False)


def test_an_adaptive_run_keeps_what_it_added(
    spec: RunSpec, cache_file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.attribution.stability.SETTLED", 0.9999)  # so that it goes on to the end of its budget
    request, database = replace(spec, sampler="adaptive", strata=(7, 6, 5, 4)), Database(cache_file)
    events = list(Engine(Store(database)).run(request))
    assert isinstance(events[-1], Finished)
    result = events[-1].result
    run = queries.find_run(database, result.run)
    first = {encode(mask) for mask in begin(request, 8)[1][1:]}
    assert result.added and not first & set(result.added)
    every = masks_of(database, run)
    assert every == first | set(result.added) and len(every) == result.surrogate.masks
    look_around(database, run.game)
    assert masks_of(database, run) == every
    before = cli("values", run.run)[1]
    assert before["basis"] == {"own": len(every), "further": 0, "refitted": False}

    # An earlier release did not keep them: all is taken, and the answer says so.
    Store(database).save(replace(result, added=None), "finished")
    earlier = queries.find_run(database, run.run)
    assert masks_of(database, earlier) == every | set(OTHERS)
    found = counted(database, asked(database, earlier))
    assert (found.total, found.refitted) == (len(every) + 3, False) and "did not keep" in str(found)
    assert cli("values", run.run)[1]["values"] != before["values"]
    again = list(Engine(Store(database)).run(request))[-1]
    assert isinstance(again, Finished) and again.result.measured == 0
    assert cli("values", run.run)[1] == before, "run again, it knows"


def test_a_run_that_goes_on_rests_on_its_own_coalitions_so_far(cache_file: Path) -> None:
    """What another run has measured of them counts: the run would take it, too."""
    database = Database(cache_file)
    result = store_run(database)
    run, store = queries.find_run(database, result.run), Store(database)
    name = store.begin(run.game, replace(run.spec, seed=1), result.protocol, result.strata)
    going = queries.find_run(database, name)
    own = {encode(mask) for mask in begin(going.spec, 8)[1][1:]}
    known = own & masks_of(database, run)
    assert masks_of(database, going) == known
    more = sorted(own - known)[:5]
    look_around(database, run.game, [*OTHERS, *more])
    assert masks_of(database, going) == known | set(more)


def test_the_example_rests_on_its_own_coalitions(cache_file: Path) -> None:
    """No sampler may draw anything else for what was asked for when it was measured."""
    database = Database(cache_file)
    shipped.load_into(database)
    [run] = queries.runs(database)
    assert counted(database, asked(database, run)) == Basis(300, 0, refitted=False)
    Store(database).record(run.game, [Evaluation(encode(without(30, [3, 4, 5])), np.full(10, 3, np.float32))])
    assert counted(database, asked(database, run)) == Basis(300, 0, refitted=False)


@pytest.mark.parametrize(
    ("sampler", "earlier", "drawn"),
    [
        ("stratified", "09c42f4c64d2c91c", "d7dcb2548ccd8a32"),
        ("adaptive", "1051dba5b7931020", "9bbd4fba1c5f15c7"),
        ("shapley", "deac5eee8e196958", "deac5eee8e196958"),  # since pairs are designed; of runs before that, see below
        ("exhaustive", "ff0d7ba638c74226", "ff0d7ba638c74226"),
    ],
)
def test_samplers_draw_what_they_have_always_drawn(sampler: str, earlier: str, drawn: str) -> None:
    """A run's coalitions are drawn again whenever somebody looks at it: other ones would be another run's."""
    request = RunSpec(sampler=sampler, masks=60, seed=3)
    for empty, expected in ((False, earlier), (True, drawn)):
        _, masks = begin(request, 12, empty=empty)
        names = "".join(map(encode, masks))
        assert sha256(names.encode()).hexdigest()[:16] == expected
        assert masks[0].all() and len(np.unique(masks, axis=0)) == len(masks)
        assert sampler in ("shapley", "exhaustive") or empty == (~masks).all(axis=1).any()


@pytest.mark.parametrize("sampler", ["stratified", "adaptive"])
def test_shapley_values_of_a_run_add_up(finished: Runs, spec: RunSpec, cache_file: Path, sampler: str) -> None:
    """To what the whole model's worth is above that of none of its layers, which every run measures."""
    [name] = finished(replace(spec, sampler=sampler))
    run = queries.find_run(Database(cache_file), name)
    measured = evaluations.measurements(Database(cache_file), run)
    [nothing] = np.flatnonzero(~measured.masks.any(axis=1))
    for worth, whole, none in (
        ("score", 1.0, measured.scores[nothing]),
        ("log_score", 0.0, measured.log_scores[nothing]),
    ):
        found = layer_values(measured, "shapley", worth, run.strata, 0, run.kept)
        assert sum(item.value for item in found.values) == pytest.approx(whole - none, abs=1e-9)


def test_a_run_of_release_0_1_has_the_coalitions_that_were_drawn_then(spec: RunSpec, cache_file: Path) -> None:
    database = Database(cache_file)
    result = store_run(database)
    run, store = queries.find_run(database, result.run), Store(database)
    _, masks = begin(run.spec, 8, empty=False)
    rows = np.full((len(masks), 4), 3, np.float32)
    store.record(run.game, [Evaluation(encode(mask), row) for mask, row in zip(masks, rows, strict=True)])
    store.save(replace(result, added=None, masks=len(masks) - 1, not_finite=0), "finished")
    run = queries.find_run(database, result.run)
    assert masks_of(database, run) == set(map(encode, masks[1:]))


@pytest.mark.parametrize(("sampler", "added"), [("stratified", None), ("shapley", None), ("shapley", ())])
def test_a_draw_of_an_earlier_release_that_is_another_one_is_told(
    cache_file: Path, sampler: str, added: tuple[str, ...] | None
) -> None:
    """Of a finished run whose coalitions are not there, nobody knows which ones they were."""
    database = Database(cache_file)
    result = store_run(database)
    Store(database).save(replace(result, added=added), "finished")
    run = queries.find_run(database, result.run)
    # As if it had been drawn in another way.
    run = replace(run, spec=replace(run.spec, sampler=sampler, seed=9, masks=result.masks))
    found = counted(database, asked(database, run))
    assert found.total == len(masks_of(database, run)) == result.surrogate.masks and "did not keep" in str(found)
