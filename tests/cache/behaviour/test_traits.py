"""What is measured of plans beside their perplexity comes back as it was, and is there once for each way to measure."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import duckdb
import pytest

from cache.database import Database
from cache.store import Store
from core.errors import CacheUnreadable
from core.records.behaviour.mended import MendedLosses, ScaledPath
from core.records.behaviour.speeds import Pace, Paces, Ratio, Speed, SpeedProtocol, Speedup, Spread
from core.records.behaviour.task_scores import Metric, TaskScore
from core.records.behaviour.traits import measured_by
from core.records.behaviour.treatments import Treatment
from core.records.behaviour.writes import Agreement, Behaviour, Predicts, Share, Writes
from core.records.mends import HEALS, Compensation, Healing, Mend, Reading
from tests.support.stored import MODEL, PROTOCOL

PREDICTS = Predicts(
    PROTOCOL, Agreement(Share(0.75, 0.02, 120), 0.1, 0.4, 2.0, 5.0), Share(0.5, 0.1, 8), Share(math.nan, math.nan, 0)
)
WRITES = Writes("repeats", 0.5, 12.0, 0.25, 3.5, 4.0, ("a", "b"))
BEHAVIOUR = Behaviour((1,), MODEL, ("x", "y"), 16, replace(WRITES, verdict="writes"), WRITES, PREDICTS)
PACE = Pace(1, Spread(0.1, 0.01), Spread(0.9, 0.02), Spread(1.0, 0.02), 128.0, None, 10**6)
RATIO = Ratio(1.25, 0.01)
SPEED = Speed(
    SpeedProtocol(), "cpu", 2, Paces(1000, 4000, (PACE,)), Paces(800, 3200, (PACE,)), (Speedup(1, RATIO, RATIO, RATIO),)
)
MENDED = MendedLosses("refit", PROTOCOL, 6, PROTOCOL, (2.5,) * PROTOCOL.sequences, (Mend(1, 1, 0.3, 3.0, 2.5, True),))
PATH = ScaledPath("prune-comp", PROTOCOL, PROTOCOL, (3, 1), (1.25, 0.5))
SCORE = TaskScore("piqa", "1", 0, "validation", 50, "file", (Metric("acc", 0.6, 0.07), Metric("acc_norm", 0.5, None)))
READINGS = Reading(0, None, 9.0), Reading(1, 2.5, math.inf), Reading(2, 2.0, 8.0)
HEALING = Healing("a text", "0123456789abcdef", 100, 8, 2, READINGS, 12.0)
COMPENSATION = Compensation("refit", PROTOCOL, 2, (Mend(1, 1, 0.3, 2.0, 1.5, True), Mend(3, 4, 0.3, 2.0, 2.5, False)))
TREATMENT = Treatment(PROTOCOL, 5.0, 20.0, COMPENSATION, HEALING, 10.0)


def test_each_kind_comes_back_as_it_was(cache_file: Path) -> None:
    every = PREDICTS, BEHAVIOUR, SPEED, SCORE, MENDED, PATH, TREATMENT
    Store(Database(cache_file)).record_traits(MODEL, "101111", *every)
    found = Store(Database(cache_file)).traits(MODEL, ["111111", "101111"])
    assert repr(found["101111"].predicts) == repr({measured_by(PREDICTS): PREDICTS})
    assert repr(found["101111"].writes) == repr({measured_by(BEHAVIOUR): BEHAVIOUR})
    assert found["101111"].speed == {measured_by(SPEED): SPEED} and found["101111"].task == {measured_by(SCORE): SCORE}
    assert found["101111"].path == {measured_by(PATH): PATH}
    assert found["101111"].mended == {MENDED.measured_by: MENDED}
    assert found["101111"].treated == {measured_by(TREATMENT): TREATMENT}
    assert not any(vars(found["111111"]).values()), "nothing is known of the whole model"
    other = Store(Database(cache_file)).traits(replace(MODEL, dtype="bfloat16"), ["101111"])
    assert not any(vars(other["101111"]).values()), "another dtype is another model"


def test_steps_are_those_that_changed_something() -> None:
    nothing = replace(HEALING, readings=READINGS[:2])
    refused = replace(COMPENSATION, cuts=COMPENSATION.cuts[1:])
    refit, trained = ("after refit at 1 of 2 cuts", 12.0), ("after 2 steps of training", 10.0)
    for fitted, healed, steps in (
        (COMPENSATION, HEALING, (refit, trained)),
        (refused, HEALING, (trained,)),
        (None, HEALING, (trained,)),
        (COMPENSATION, nothing, ((refit[0], 10.0),)),
        (COMPENSATION, None, ((refit[0], 10.0),)),
        (refused, nothing, ()),
    ):
        found = replace(TREATMENT, compensation=fitted, healing=healed).steps()
        assert found == (("whole model", 5.0), ("after the cut", 20.0), *steps)


def test_trainings_with_other_settings_stand_beside_each_other(cache_file: Path) -> None:
    usual = HEALS["short"]
    asked = (
        replace(usual, steps=2),
        replace(usual, steps=2, rate=1e-4),
        replace(usual, steps=2, distil=0.5),
        replace(usual, steps=2, distil=0.5, temperature=2.0),
        replace(usual, steps=2, batch=4),
        replace(usual, steps=2, rank=4),
        replace(usual, steps=2, seed=1),
        usual,
    )
    every = [replace(TREATMENT, heal=heal) for heal in asked]
    store = Store(Database(cache_file))
    store.record_traits(MODEL, "101111", TREATMENT, *every)
    found = store.traits(MODEL, ["101111"])["101111"].treated
    assert list(found.values()) == every, "the usual one is that of earlier releases, which it replaces"
    words = list(found)
    assert words[0] == str(TREATMENT) and words[3].endswith("(distil 0.5, temperature 2.0)")
    assert words[1].endswith("(rate 0.0001)") and words[-1].endswith("(stopped before 64)")


def test_the_newest_measurement_of_a_way_replaces_and_other_ways_stay(cache_file: Path) -> None:
    store = Store(Database(cache_file))
    again = replace(SCORE, metrics=(Metric("acc", 0.7, 0.06),))
    fewer, shots = replace(SCORE, items=20), replace(SCORE, shots=5)
    for score in (SCORE, fewer, shots, again):
        store.record_traits(MODEL, "011111", score)
    found = store.traits(MODEL, ["011111"])["011111"].task
    assert list(found.values()) == [fewer, shots, again], "the newest last"


@pytest.mark.parametrize(
    ("column", "value", "cause"),
    [
        ("kind", "gossip", "a trait of a kind 'gossip'"),
        ("record", "{}", "protocol"),
        ("record", "[", "JSON"),
        ("record", json.dumps({"task": 1}), "protocol"),
        ("record", json.dumps(asdict(replace(PREDICTS, protocol=replace(PROTOCOL, bos="xx")))), "xx"),
    ],
)
def test_rows_that_nobody_wrote_are_refused(cache_file: Path, column: str, value: str, cause: str) -> None:
    Store(Database(cache_file)).record_traits(MODEL, "011111", PREDICTS)
    with duckdb.connect(cache_file) as connection:
        connection.execute(f"UPDATE traits SET {column} = ?", [value])
    with pytest.raises(CacheUnreadable, match=cause):
        Store(Database(cache_file)).traits(MODEL, ["011111"])


@pytest.mark.parametrize(
    ("kind", "record", "cause"),
    [
        ("speed", replace(SPEED, speedups=()), "0 timings of 1 batches"),
        ("speed", replace(SPEED, protocol=SpeedProtocol(batches=())), "1 timings of 0 batches"),
        ("writes", replace(BEHAVIOUR, removed=(7,)), "texts of a model without"),
        ("mended", replace(MENDED, losses=(2.5,)), "1 losses after a compensation"),
        ("mended", replace(MENDED, losses=(math.inf,) * PROTOCOL.sequences), "that are no numbers"),
        ("path", replace(PATH, players=(3, 9)), "9 is a removed player"),
        ("path", replace(PATH, players=(3, 3)), "named twice"),
        ("path", replace(PATH, scales=(1.0,)), "1 scales of a path"),
        ("path", replace(PATH, scales=(1.0, 0.0)), "no positive numbers"),
        ("treated", replace(TREATMENT, healing=replace(HEALING, readings=())), "a training without a reading"),
        ("treated", replace(TREATMENT, whole=math.inf), "no positive numbers"),
        ("treated", replace(TREATMENT, cut=math.nan), "no positive numbers"),
        ("treated", replace(TREATMENT, perplexity=-5.0), "no positive numbers"),
        ("treated", replace(TREATMENT, healing=replace(HEALING, before=math.nan)), "no positive numbers"),
        ("treated", replace(TREATMENT, healing=replace(HEALING, readings=(Reading(0, None, -1.0),))), "no positive"),
        ("writes", replace(BEHAVIOUR, model=replace(MODEL, layers=2, players=("0", "1"))), "players that are not"),
    ],
)
def test_records_of_another_model_or_half_a_record_are_refused(
    cache_file: Path, kind: str, record: object, cause: str
) -> None:
    Store(Database(cache_file)).record_traits(MODEL, "101111", SPEED, BEHAVIOUR, MENDED, PATH, TREATMENT)
    with duckdb.connect(cache_file) as connection:
        connection.execute("UPDATE traits SET record = ? WHERE kind = ?", [json.dumps(asdict(record)), kind])
    with pytest.raises(CacheUnreadable, match=cause):
        Store(Database(cache_file)).traits(MODEL, ["101111"])


def test_a_verdict_on_short_texts_overrules_none_on_long_ones(cache_file: Path) -> None:
    store = Store(Database(cache_file))
    store.record_traits(MODEL, "101111", replace(BEHAVIOUR, tokens=64))
    store.record_traits(MODEL, "101111", replace(BEHAVIOUR, tokens=8, pruned=replace(WRITES, verdict="writes")))
    judged = store.traits(MODEL, ["101111"])["101111"].judgement
    assert judged is not None and (judged.tokens, judged.pruned.verdict) == (64, "repeats")
    other = replace(BEHAVIOUR, tokens=64, prompts=("z",), pruned=replace(WRITES, verdict="broken"))
    store.record_traits(MODEL, "101111", other)
    newest = store.traits(MODEL, ["101111"])["101111"].judgement
    assert repr(newest) == repr(other), "of two of one length"
    assert store.traits(MODEL, ["111111"])["111111"].judgement is None
