"""Healing on the page Export: asked for, watched, cancelled, gone on with after a kill, and refused in words."""

import json
import os
import signal
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.dashboard import login
from app.digits import perplexity
from app.export.training_chart import training_chart
from app.worker.client import Jobs
from app.worker.job import Job
from core.export.recipes.recipe import Recipe
from core.healing.stopped import stopped
from core.records.events import Training
from core.records.mends import HEALS, Reading
from core.records.reader import from_fields
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import agreed_export, button, open_page, said

FILES = ("model.safetensors", "README.md", "config.json")


@pytest.fixture
def run(finished: Finished, tiny: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("peft")
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    # A worker that is begun here, with this home.
    monkeypatch.setattr("app.worker.client.subprocess", subprocess)
    spec = RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50, dtype="float32")
    [name] = finished(spec)
    return name


def opened(run: str, steps: int) -> AppTest:
    """The page with a removal that is agreed to, and a training of so many steps to ask for."""
    page = agreed_export(run, "2,5")
    page.toggle[0].set_value(True).run()
    field(page, "Steps").set_value(steps).run()
    return page


def field(page: AppTest, label: str) -> object:
    return next(field for field in page.number_input if field.label == label)


def choice(page: AppTest, label: str) -> Any:
    return next(choice for choice in page.segmented_control if choice.label == label)


def asked(page: AppTest, shared: Jobs, run: str, name: str) -> Job:
    page.text_input[0].set_value(name).run()
    button(page, "Heal and export").click().run()
    job = shared.newest("heal", run)
    assert job is not None and not page.exception, said(page)
    return job


def test_a_healed_export_is_that_of_the_command(shared: Jobs, run: str, cli: Cli, tmp_path: Path) -> None:
    page = opened(run, 6)
    field(page, "Distillation").set_value(0.5).run()
    assert "6 steps of 8 windows of 16 tokens" in said(page) and "held out" in said(page)
    job = asked(page, shared, run, "healed")
    wait(lambda: not job.active)
    done = job.exported
    assert done is not None and done.healing is not None, job.message
    assert job.training is not None and len(job.training.losses) == 6
    page.run()
    assert not page.exception and perplexity(done.plain) in said(page) and perplexity(done.perplexity) in said(page)
    assert len(page.get("plotly_chart")) == 1 and not stopped(run)
    command = "heal", run, "--remove", "2,5", "--steps", 6, "--distil", 0.5, "--out", tmp_path / "same"
    assert cli(*command)[0] == 0
    for file in FILES:
        assert (Path(done.path) / file).read_bytes() == (tmp_path / "same" / file).read_bytes(), file


def test_the_papers_recipe_and_a_temperature_are_what_is_asked_for(shared: Jobs, run: str) -> None:
    page = opened(run, 6)
    assert field(page, "Temperature").disabled
    choice(page, "Recipe").set_value("paper").run()
    field(page, "Distillation").set_value(0.5).run()
    field(page, "Temperature").set_value(2.0).run()
    assert "2 passes in steps of 64 windows of 16 tokens" in said(page)
    assert not any(one.label == "Steps" for one in page.number_input)
    job = asked(page, shared, run, "healed")
    shared.cancel(job)
    wait(lambda: not job.active)
    heal = from_fields(Recipe, job.details["recipe"]).heal
    assert heal == replace(HEALS["paper"], distil=0.5, temperature=2.0)


def test_cancelled_it_keeps_its_best_and_killed_it_goes_on(shared: Jobs, run: str, tmp_path: Path) -> None:
    page = opened(run, 4000)
    job = asked(page, shared, run, "healed")
    wait(lambda: job.training is not None and len(job.training.readings) > 1)
    os.kill(job.worker, signal.SIGKILL)
    wait(lambda: not job.active)
    page.run()
    assert job.status == "failed" and "was stopped" in said(page) and list(stopped(run))
    button(page, "Go on").click().run()
    again = shared.newest("heal", run)
    assert again is not None and again is not job and "was stopped" not in said(page)
    wait(lambda: again.training is not None and len(again.training.losses) > len(job.training.readings))
    assert len(again.training.losses) >= again.training.readings[-1].step > 0, "not from the beginning"
    shared.cancel(again)
    wait(lambda: not again.active)
    assert again.status == "cancelled"
    page.run()
    [kept] = stopped(run).values()
    assert len(kept.training.losses) >= len(again.training.losses) and "the best" in said(page)
    button(page, "Write the best so far").click().run()
    last = shared.newest("heal", run)
    wait(lambda: not last.active)
    assert last.exported is not None, last.message
    best = min(kept.training.readings, key=lambda reading: reading.perplexity)
    assert last.exported.healing.kept.perplexity <= best.perplexity and not stopped(run)
    told = json.loads((tmp_path / "home" / "exports" / "healed" / "quorum.json").read_text())
    assert told["healing"]["steps"] == last.exported.healing.steps == len(kept.training.losses)


def test_a_stopped_training_is_its_owners_and_is_forgotten(
    shared: Jobs, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "visitor", lambda: "ada")
    job = asked(opened(run, 4000), shared, run, "healed")
    wait(lambda: job.training is not None and len(job.training.losses) > 2)
    shared.cancel(job)
    wait(lambda: not job.active)
    assert [found.owner for found in stopped(run).values()] == ["ada"]
    for visitor in ("bob", None, "ada"):
        monkeypatch.setattr(login, "visitor", lambda visitor=visitor: visitor)
        page = open_page("export", run=run, remove="3")
        assert ("A training without 2, 5 was stopped" in said(page)) == (visitor != "bob")
    button(page, "Forget it").click().run()
    assert "was stopped" not in said(page) and not stopped(run)


def test_what_cannot_be_trained_is_said_before_it_is_asked_for(
    shared: Jobs, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(run, 3)
    choice(page, "Text to train on").set_value("rows").run()
    assert button(page, "Heal and export").disabled, "there is no file yet"
    rows = next(box for box in page.selectbox if box.label == "Instructions")
    rows.set_value(str(tmp_path / "none.jsonl")).run()
    job = asked(page, shared, run, "healed")
    wait(lambda: not job.active)
    assert job.status == "failed" and "none.jsonl" in job.message
    version = metadata.version

    def missing(name: str) -> str:
        if name == "peft":
            raise metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(metadata, "version", missing)
    page = open_page("export", run=run, remove="2,5")
    assert page.toggle[0].disabled and "pip install -r requirements-heal.txt" in said(page)


def test_the_chart_tells_what_is_known() -> None:
    readings = (Reading(0, None, 120.0), Reading(2, 4.5, 90.0), Reading(4, 4.25, float("inf")))
    chart = training_chart(Training(0.5, 8, 0, (5.0, 4.0, 4.5, 4.0), readings, 3.0))
    step, mean, held, kept = chart.figure.data
    assert list(step.x) == [1, 2, 3, 4] and list(step.y) == [5.0, 4.0, 4.5, 4.0]
    assert list(mean.x) == [2, 4] and list(mean.y) == [4.5, 4.25] and list(held.x) == [0, 2, 4]
    assert (list(kept.x), list(kept.y)) == ([2], [90.0])
    for words in ("4 of 8 steps", "120 before training", "lowest 90.0 at step 2"):
        assert words in chart.alt
