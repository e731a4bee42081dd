"""Trainings that were stopped: what is kept of them, who may go on, and what is passed over."""

import subprocess
import sys
from collections.abc import Generator
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path

import pytest

from app.root import ROOT
from core.errors import HealingError
from core.export.recipes.recipe import Recipe
from core.healing.stopped import alone, folder, forget, noted, stopped
from core.records.events import Event, Stage, Training
from core.records.mends import HEALS, Compensate, Heal, Reading
from core.records.spec import RunSpec

RECIPE = Recipe(
    RunSpec(model="/models/mine"),
    "0123456789abcdef",
    8,
    ("2", "3a"),
    "amber-fox",
    Compensate("refit", 16),
    HEALS["short"],
)
FIRST, SECOND = Reading(0, None, 30.0), Reading(2, 3.5, float("inf"))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path))
    folder().mkdir()


def steps() -> Generator[Event, None, str]:
    yield Stage("Measuring")
    yield Training(0.0, 4, 0, (), (FIRST,), float("nan"))
    yield Training(0.25, 4, 0, (4.0,), (FIRST,), 3.0)
    yield Training(0.5, 4, 1, (3.0,), (FIRST, SECOND), 2.0)
    yield Training(0.75, 4, 2, (2.0,), (FIRST, SECOND), 1.0)
    return "trained"


def test_a_training_is_found_as_it_was_at_its_last_reading() -> None:
    events = noted(steps(), "one", RECIPE, Path("/somewhere/out"), True)
    told = []
    while True:
        try:
            told.append(next(events))
        except StopIteration as end:
            assert end.value == "trained"
            break
    assert [type(event) for event in told] == [Stage, *[Training] * 4]
    assert stopped(RECIPE.run) == {}, "without a state there is nothing to go on with"
    (folder() / "one.pt").touch()
    [found] = stopped(RECIPE.run).values()
    assert (found.recipe, found.out, found.uncached) == (RECIPE, "/somewhere/out", True)
    assert found.training.losses == (4.0, 3.0) and found.training.readings == (FIRST, SECOND)
    assert found.training.share == 0.5 and stopped("another") == {}
    cancelled = noted(steps(), "one", RECIPE, Path("/somewhere/out"), True)
    while next(cancelled) != told[-1]:
        pass
    cancelled.close()
    assert stopped(RECIPE.run)["one"].training.losses == (4.0, 3.0, 2.0)
    forget("one")
    assert [file.name for file in folder().iterdir()] == ["one.lock"] and stopped(RECIPE.run) == {}
    forget("one")


def test_a_note_that_nobody_can_read_hides_no_other() -> None:
    for name in ("one", "two"):
        list(noted(steps(), name, replace(RECIPE, heal=Heal(distil=0.5)), Path("out"), False))
        (folder() / f"{name}.pt").touch()
    (folder() / "two.json").write_text('{"recipe": ')
    assert list(stopped(RECIPE.run)) == ["one"]
    (folder() / "two.json").write_text('{"recipe": {"spec": 5}}')
    assert list(stopped(RECIPE.run)) == ["one"]


def test_what_another_process_goes_on_with_is_not_stopped() -> None:
    list(noted(steps(), "one", RECIPE, Path("out"), False))
    (folder() / "one.pt").touch()
    holds = "from core.healing.stopped import alone\nwith alone('one'):\n    print(flush=True)\n    input()"
    with subprocess.Popen(
        [sys.executable, "-c", holds], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert stopped(RECIPE.run) == {}
        with pytest.raises(HealingError, match="another process"), alone("one"):
            pass
        with pytest.raises(HealingError, match="another process"):  # begun since its page was drawn
            forget("one")
        other.kill()
    assert list(stopped(RECIPE.run)) == ["one"], "its process was killed"
    with alone("one"):
        assert stopped(RECIPE.run) == {}
    assert list(stopped(RECIPE.run)) == ["one"]


def test_losses_follow_from_events_in_order() -> None:
    told = None
    for event in steps():
        told = event.after(told) if isinstance(event, Training) else told
    assert told is not None and told.losses == (4.0, 3.0, 2.0)
    again = Training(0.25, 4, 0, (5.0,), (FIRST,), float("nan")).after(told)  # a training that began anew
    assert again.losses == (5.0,) and again.first == 0 and isnan(again.seconds_left)
    assert asdict(again)["kind"] == "training"
