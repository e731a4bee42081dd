"""The sidebar: the run on show by the names that people know, what is computed and waits, and pages that follow."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from app.dashboard import reads
from app.dashboard.sidebar import labels
from app.example import shipped
from app.words import called
from app.worker.client import Jobs
from cache import queries
from cache.database import Database
from cache.labels import delete
from cache.queries import StoredRun
from cache.store import Store
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.jobs import measuring, wait
from tests.support.pages import box, button, links, open_page, said
from tests.support.stored import store_run

PAGES = ("runs", "contributions", "interactions", "surrogate", "preview", "export", "learn")


def slow(spec: RunSpec, **changed: object) -> RunSpec:
    return replace(spec, **{"sequences": 250, "window": 128, "masks": 100, **changed})


def beside(app: AppTest) -> str:
    """What the sidebar says."""
    return "\n".join(
        [element.value for kind in ("markdown", "caption") for element in app.sidebar.get(kind)]
        + [element.proto.text for element in app.sidebar.get("progress")]
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("bundled", "SmolLM2-135M-Instruct"),
        ("/srv/models/Llama-3.2-1B", "Llama-3.2-1B"),
        ("/srv/models/tale.q8_0.gguf", "tale.q8_0.gguf"),
        ("owner/name", "owner/name"),
        ("owner/name@revision", "owner/name@revision"),
        ("owner/name/file.gguf", "owner/name/file.gguf"),
        ("python-docs", "python-docs"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_names_that_people_know(source: str, name: str) -> None:
    assert called(source) == name


def stored(run: str, status: str = "finished", **spec: object) -> StoredRun:
    now = pd.Timestamp("2026-01-01")
    return StoredRun(run, "game", RunSpec(**spec), (1,), status, None, None, now, now)


def test_labels_are_short_and_tell_runs_apart() -> None:
    runs = [
        stored("3fa90000"),
        stored("3fa91111", model="/srv/a-model-with-a-name-that-is-much-longer-than-there-is-room", masks=100_000),
        stored("77770000", "cancelled"),
    ]
    found = labels(runs)
    assert found["3fa90000"].endswith(" · 300 · 3fa90") and found["77770000"].endswith(" · cancelled · 77770")
    assert len(set(found.values())) == 3 and all(len(label) <= 31 for label in found.values())
    assert "python" not in found["3fa90000"], "the text is the same of all"
    mixed = labels([*runs, stored("88880000", corpus="/srv/texts/letters.txt")])
    assert "python-d… · 300" in mixed["3fa90000"] and "letters.… · 300" in mixed["88880000"]


def test_the_picker_stands_on_every_page_and_changes_what_is_on_show(
    shared: Jobs, finished: Finished, spec: RunSpec
) -> None:
    first, second = finished(spec, replace(spec, seed=1))
    for name in PAGES:
        page = open_page(name)
        assert box(page, "Run").value == second
        assert f"**{Path(spec.model).name}**" in beside(page) and Path(spec.corpus).name in beside(page)
        assert "Nothing is being computed" in beside(page)
    page = open_page("contributions", run=second, layer="3", remove="1", worth="kl")
    box(page, "Run").set_value(first).run()
    assert page.query_params["run"] == first and "worth" in page.query_params
    assert not {"layer", "remove"} & page.query_params.keys(), "they were the other run's"


def test_what_a_run_was_called_before_chooses_nothing(
    shared: Jobs, finished: Finished, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new run changes what the others are called, of which a browser hears later."""
    _, second = finished(spec, replace(spec, seed=1))
    for name in ("", "contributions"):
        page = open_page(name, run=second)
        late = WidgetState(id=box(page, "Run").id, string_value="tiny · 50 · before")
        monkeypatch.setattr(type(box(page, "Run")), "_widget_state", late)
        page.run()
        monkeypatch.undo()
        page.run()
        assert page.query_params["run"] == second and box(page, "Run").value == second and not page.error


def test_the_example_goes_by_the_name_of_its_model(shared: Jobs) -> None:
    shipped.load_into(shared.database)
    page = open_page()
    assert "**SmolLM2-135M-Instruct**" in beside(page) and "bundled" not in beside(page)
    assert "**SmolLM2-135M-Instruct**, 30 layers on python-docs" in said(page)


def test_what_is_computed_and_what_waits(shared: Jobs, spec: RunSpec) -> None:
    """Every page names it, and ends it; the panel of the page Runs says which run it is, and leads to its pages."""
    job, second = shared.submit(slow(spec)), shared.submit(slow(spec, seed=1))
    search = shared.task("select", spec, run="abcd1234")
    wait(lambda: measuring(job) and job.result is not None)
    for name in PAGES:
        page = open_page(name, run=job.run)
        text = beside(page)
        assert f"**Run · {Path(spec.model).name} · `{job.run}`**" in text
        assert f" of {job.progress.total}" in text and " left" in text
        assert f"1. Run · {Path(spec.model).name}, waits for: Run · {Path(spec.model).name} · `{job.run}`" in text
        assert "2. Search · " in text and not page.exception and not page.error, name
    page = open_page()
    assert f"**{Path(spec.model).name}** on **{Path(spec.corpus).name}** · 100 coalitions · run `{job.run}`" in said(
        page
    )
    assert {query for _, query in links(page)} == {f"run={job.run}"}
    assert said(page).count("sharpen") == 1
    for each in (search, second, job):
        page.sidebar.button(key=f"cancel-sidebar-{each.name}").click().run()
        assert each.status in ("cancelling", "cancelled")
    wait(lambda: not job.active)
    page = open_page()
    assert "sharpen" not in said(page), "it does not go on"
    resume = button(page, "Resume")
    assert resume.proto.type == "primary" and button(page, "Start another run").proto.type == "secondary"


def test_a_run_without_contributions_is_no_unknown_one(shared: Jobs, cache_file: Path) -> None:
    """It begins, or has failed before it had any; no other run is shown in its place."""
    store_run(Database(cache_file))
    [run] = queries.runs(shared.database)
    began = Store(shared.database).begin(run.game, replace(run.spec, masks=77), run.result.protocol, (7,))
    with shared.database.claim(began):
        for name in PAGES[1:-1]:
            page = open_page(name, run=began)
            assert f"Run `{began}` has no contributions yet. They appear here" in said(page)
            assert not page.main.get("plotly_chart") and not page.error, name
        assert f"Run `{began}` is measured by another process" in beside(page)
    Store(shared.database).close(began, "failed", "no room")
    page = open_page("contributions", run=began)
    assert "it is failed. Resume it on the page Runs" in said(page)
    page = open_page()
    assert "The run has failed: no room" in said(page) and button(page, "Resume").proto.type == "primary"


def test_what_pages_are_drawn_from_is_seen_to_change(shared: Jobs, cache_file: Path) -> None:
    """A run begins, is killed, ends or is deleted, whoever measures it; the file says nothing of a process killed."""
    database, store = shared.database, Store(shared.database)
    result = store_run(Database(cache_file))
    run = queries.find_run(database, result.run)
    seen = [reads.standing(database)]

    def changed() -> dict[str, str]:
        seen.append(reads.standing(database))
        assert seen[-1] != seen[-2]
        return {name: status for name, (status, _) in seen[-1].items()}

    with database.claim("77" * 4):
        began = store.begin(run.game, replace(run.spec, masks=77), result.protocol, (7,))
        with database.claim(began):
            assert changed() == {run.run: "finished", began: "running"}
            assert reads.standing(database) is seen[-1], "nothing is asked of the file while it stays the same"
    wait(lambda: reads.standing(database)[began][0] == "interrupted")
    changed()
    store.close(began, "cancelled")
    assert changed()[began] == "cancelled"
    delete(database, began)
    assert changed() == {run.run: "finished"}
