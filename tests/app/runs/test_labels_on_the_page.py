"""Runs one can live with, on the page Runs: found by what is said of them, archived, deleted and brought back."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.dashboard import login
from app.worker.client import Jobs
from cache import labels, queries
from cache.store import Store
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.pages import box, button, open_page, said


def listed(page: AppTest) -> list[str]:
    tables = [frame.value for frame in page.dataframe if "run" in frame.value]
    return list(tables[0]["run"]) if tables else []


def field(page: AppTest, label: str) -> object:
    return next(element for element in [*page.text_input, *page.text_area] if element.label == label)


def test_a_run_is_named_and_found(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    older, newer = finished(spec, replace(spec, seed=1))
    page = open_page(run=older)
    hostile = "my <b>first</b> :red[try]"
    field(page, "Name").set_value(hostile)
    field(page, "Note").set_value("before the *new* tokenizer")
    button(page, "Save").click().run()
    assert not page.exception and not page.error
    label = queries.find_run(shared.database, older).label
    assert (label.name, label.note) == (hostile, "before the *new* tokenizer")
    assert "`<b>first</b>`" in said(page) and "`:red[try]`" in said(page) and "`*new*`" in said(page)
    names = dict(zip(listed(page), page.dataframe[0].value["name"], strict=True))
    assert names == {older: hostile, newer: ""}
    assert any(option.startswith("my <b>first</b> :red") for option in box(page, "Run").options)
    for words, found in (("FIRST", [older]), ("tokenizer try", [older]), (newer[:6], [newer]), ("no such thing", [])):
        field(page, "Search").set_value(words).run()
        assert listed(page) == found, words
    assert "No run is like that" in said(page)
    field(page, "Search").set_value("").run()
    assert listed(page) == [newer, older]
    field(page, "Name").set_value("latest")
    button(page, "Save").click().run()
    assert "No run can be called latest" in said(page)


def test_the_archive(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    older, newer = finished(spec, replace(spec, seed=1))
    page = open_page(run=newer)
    assert not [toggle for toggle in page.toggle if toggle.label == "Archived"], "there is none yet"
    button(page, "Archive").click().run()
    assert listed(page) == [older] and ", archived)" in said(page)
    page = open_page()
    assert listed(page) == [older] and len(box(page, "Run").options) == 1, "another is shown first"
    next(toggle for toggle in page.toggle if toggle.label == "Archived").set_value(True).run()
    assert listed(page) == [newer, older]
    page = open_page(run=newer)
    button(page, "Restore").click().run()
    assert listed(page) == [newer, older]


def test_deleting_is_undone(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    older, newer = finished(spec, replace(spec, seed=1))
    page = open_page(run=newer)
    button(page, "Delete").click().run()
    assert listed(page) == [older] and f"Run `{newer}` is deleted" in said(page)
    button(page, "Undo").click().run()
    assert listed(page) == [newer, older] and page.query_params["run"] == newer and "is deleted" not in said(page)
    labels.delete(shared.database, newer)
    page = open_page()
    assert listed(page) == [older] and not [each for each in page.button if each.label == "Undo"], "of another session"
    button(page, "Bring it back").click().run()
    assert not page.exception and listed(page) == [newer, older]
    for run in (older, newer):
        labels.delete(shared.database, run)
    page = open_page()
    assert len(box(page, "Bring back").options) == 2, "also where there is no other run"


def test_only_who_started_a_run_puts_it_away(
    shared: Jobs, finished: Finished, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = finished(spec, replace(spec, seed=1))
    for run, owner in ((older, "ada"), (newer, "bob")):
        Store(shared.database).own(run, owner)
    monkeypatch.setattr(login, "visitor", lambda: "ada")
    for run, mine in ((older, True), (newer, False)):
        page = open_page(run=run)
        assert [button(page, label).disabled for label in ("Archive", "Delete")] == [not mine] * 2
    labels.delete(shared.database, newer)
    assert not [each for each in open_page().button if each.label == "Bring it back"]
