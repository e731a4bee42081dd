"""A download as people see it: on the page, where it can be cancelled and gone on with, on a terminal, in a recipe."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.terminal import follow
from app.worker import client
from app.worker.client import Jobs
from app.worker.job import Job
from core.checkpoint.checkpoint import finding, locate
from core.export.card import Outcome, card
from core.export.recipes.recipe import Recipe
from core.export.recipes.recipe_file import read_recipe
from core.model.model import load
from core.records.events import Downloading
from core.records.spec import RunSpec, TextProtocol
from tests.support.hub.client import environment
from tests.support.hub.repositories import model, read
from tests.support.hub.server import Fault, Hub
from tests.support.jobs import wait
from tests.support.models import recipe_of
from tests.support.pages import open_page, said

NAME = "some/model"


@pytest.fixture
def jobs(hub: Hub, tmp_path: Path, cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The server's jobs with a worker that asks the Hub of the test."""
    for name, value in environment(hub, tmp_path / "hf").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("QUORUM_CACHE", str(cache_file))
    client.shared.cache_clear()
    yield client.shared()
    client.shared().stop()
    client.shared.cache_clear()


def test_a_download_is_shown_cancelled_and_gone_on_with(hub: Hub, jobs: Jobs, parts: Path, spec: RunSpec) -> None:
    hub.add(model(NAME, parts))
    spec = dataclasses.replace(spec, model=NAME)
    page = open_page()
    page.selectbox(key="model").set_value(NAME).run()
    assert not page.exception
    assert "not known before the model is on this machine" in said(page)
    assert not hub.requests, "a forecast asks nobody"
    hub.faults = [Fault("model-00002", stall=3000)]
    job = jobs.submit(spec)
    wait(lambda: job.downloading is not None and job.downloading.done > 3000)
    page = open_page()
    [bar] = page.main.get("progress")
    assert "Downloading some/model" in bar.proto.text and "MiB of" in bar.proto.text
    assert [metric.label for metric in page.main.metric[:2]] == ["Rate", "Time left"]
    next(found for found in page.main.button if found.label == "Cancel").click().run()
    wait(lambda: job.status == "cancelled", seconds=5)
    hub.faults.clear()
    hub.requests.clear()
    again = jobs.submit(spec)
    wait(lambda: not again.active)
    assert again.result is not None, again.message
    assert again.result.model.commit == hub.repositories["models", NAME].commit("main")
    asked = [asked.range for asked in hub.requests if asked.to_content]
    assert asked == ["bytes=3000-"]
    assert again.downloading is None


def test_a_refusal_reaches_the_page(hub: Hub, jobs: Jobs, spec: RunSpec) -> None:
    job = jobs.submit(dataclasses.replace(spec, model="some/where"))
    wait(lambda: not job.active)
    assert job.status == "failed"
    assert "There is no model some/where on the Hub" in said(open_page())


def test_a_terminal_is_told_how_much_will_come(hub: Hub, parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.add(model(NAME, parts))
    follow(finding(NAME))
    assert "Downloading some/model: 0.3 MiB …" in capsys.readouterr().err


def test_a_job_says_what_it_downloads_until_it_does_something_else(spec: RunSpec) -> None:
    job = Job(spec)
    job.hear(Downloading(NAME, 10, 100, 5.0))
    assert (job.status, job.stage, job.downloading and job.downloading.seconds_left) == (
        "running", "Downloading some/model", 18.0
    )  # fmt: skip


@pytest.mark.parametrize("name", [NAME, f"{NAME}@v1", f"{NAME}@main"])
def test_a_recipe_finds_the_commit_again(hub: Hub, parts: Path, tiny: Path, tmp_path: Path, name: str) -> None:
    hub.add(model(NAME, parts, revisions={"v1": read(parts)}))
    loaded = load(locate(name), "float32", "cpu")
    info, recipe = loaded.info, recipe_of(loaded, [1, 5])
    file = tmp_path / "quorum.json"
    file.write_text(recipe.text(info))
    written = json.loads(file.read_text())
    assert (written["model"]["source"], written["found_by"]["model"]) == (name, name)
    assert written["model"]["commit"] == info.commit
    assert read_recipe(file).spec.model == f"{NAME}@{info.commit}"
    assert read_recipe(file, model="elsewhere").spec.model == "elsewhere"
    hub.repositories["models", NAME].files.clear()  # main has moved on, and the copy here is used
    assert locate(read_recipe(file).spec.model).commit == info.commit
    protocol = TextProtocol("tale.txt", "evaluation", 16, 16, "none", 4, None, "0" * 16)
    page = card(info, recipe, Outcome(protocol, 2.0, 3.0, 100, 3.0, None), [], drafts=True)
    assert f'base_model: "{NAME}"\n' in page and f"commit `{info.commit}`" in page


def test_recipes_of_before_are_as_they_were(tiny: Path, tmp_path: Path) -> None:
    loaded = load(locate(str(tiny)), "float32", "cpu")
    recipe: Recipe = recipe_of(loaded, [1, 5])
    entries = json.loads(recipe.text(loaded.info))
    del entries["model"]["commit"]
    file = tmp_path / "quorum.json"
    file.write_text(json.dumps(entries))
    assert read_recipe(file, model=str(tiny)) == recipe
    assert "@" not in read_recipe(file).spec.model
