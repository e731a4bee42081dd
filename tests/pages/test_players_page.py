"""Players that are not whole layers: every page shows them by name, in figures, tables, choices and addresses."""

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.interactions.sublayer_figures import half_pairs
from app.words import labels, named, numbers
from app.worker.client import Jobs
from cache import queries
from core.errors import SelectionError
from core.records.spec import RunSpec
from tests.support.jobs import wait
from tests.support.pages import box, button, open_page, said
from tests.support.stored import store_run

HALVES = ("1a", "1m", "2a", "2m", "3a", "3m", "4a", "4m")  # layers 0 and 5 stay


def test_names_and_their_inverse() -> None:
    players = ("0", "2", "10")
    assert named(players, (0, 2)) == "0, 10" and labels(players) == [0, 2, 10]
    assert numbers(players, "10, 0") == (0, 2) and numbers(players, "") == ()
    assert labels(HALVES) == list(HALVES)
    for wrong, word in (("1", "no player 1"), ("0,0", "twice"), ("0,2,10", "All 3")):
        with pytest.raises(SelectionError, match=word):
            numbers(players, wrong)


def test_halves_on_the_page_contributions(shared: Jobs) -> None:
    result = store_run(shared.database, players=HALVES)
    page = open_page("contributions", run=result.run, layer="2a")
    assert "Layer 2a" in said(page) and "halves of layers" in said(page)
    assert box(page, "Layer").options == list(HALVES)
    values = page.dataframe[0].value
    expected = {HALVES[item.layer]: item.value for item in result.overall}
    assert dict(zip(values["layer"], values["contribution"], strict=True)) == pytest.approx(expected)
    partners = next(frame.value for frame in page.dataframe if "with layer" in frame.value)
    assert partners.iloc[0]["with layer"] == "1m", "players 1 and 2 make up for each other"
    page = open_page("contributions", run=result.run, tab="text")
    assert "layer 4m" in next(frame.value for frame in page.dataframe if "sequence" in frame.value)


def test_halves_on_the_page_interactions(shared: Jobs) -> None:
    result = store_run(shared.database, players=HALVES)
    page = open_page("interactions", run=result.run, pair="1m-2a")
    assert "interaction of layers 1m and 2a" in said(page)
    assert {*page.dataframe[0].value["first"]} <= {*HALVES}
    page = open_page("interactions", run=result.run, tab="halves")
    assert "a layer's attention and its MLP need each other" in said(page) and len(page.dataframe[0].value) == 4
    assert result.interactions is not None
    found = half_pairs(result.interactions, HALVES)
    assert list(found) == ["1", "2", "3", "4"]
    assert (found["2"].first, found["2"].second) == (2, 3)
    plain = store_run(shared.database)
    page = open_page("interactions", run=plain.run, tab="halves")
    assert "need each other" not in said(page) and "There is no details halves" in said(page)


def strip(page: AppTest) -> Any:
    """The layers of which a click takes one out; they are buttons, as the parts of a page are."""
    return next(group for group in page.get("button_group") if "take out" in group.label)


def test_halves_are_switched_off_by_name(shared: Jobs) -> None:
    result = store_run(shared.database, players=HALVES)
    page = open_page("preview", run=result.run, remove="4m,1a")
    assert page.query_params["remove"] == "1a,4m", "in the order of the model"
    assert len(strip(page).value) == 6
    button(page, "Restore all").click().run()
    strip(page).set_value([0, 2, 3, 4, 5, 7]).run()
    assert not page.exception and page.query_params["remove"] == "1m,4a"
    page = open_page("preview", run=result.run, remove="9")
    assert "There is no player 9" in said(page) and "1a, 1m" in said(page)
    page = open_page("export", run=result.run, remove="2a,2m")
    assert ("6 of 8", "without 2a, 2m") in [(metric.value, metric.delta) for metric in page.metric]
    job = shared.newest("measure")
    assert job is not None
    wait(lambda: not job.active)
    assert "made-up" in job.message, "the preview has asked, and there is no such model"


def test_groups_and_the_other_pages(shared: Jobs) -> None:
    groups = tuple(f"{first}-{first + 3}" for first in range(0, 32, 4))
    result = store_run(shared.database, layers=32, players=groups)
    for name in ("contributions", "interactions", "surrogate", "export", "learn"):
        assert "groups of layers" in said(open_page(name, run=result.run)), name
    stored = queries.find_run(shared.database, result.run).result
    assert stored is not None and stored.model.players == groups
    assert np.isfinite([item.value for item in stored.overall]).all()


def test_form_asks_for_players_and_for_layers_that_stay(shared: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RunSpec] = []
    monkeypatch.setattr(Jobs, "submit", lambda _, spec, owner, **__: asked.append(spec))
    page = open_page()
    stays = next(field for field in page.text_input if field.label == "Layers that stay")
    stays.set_value("7, 0,7").run()
    box(page, "Players").set_value("group").run()
    next(field for field in page.number_input if field.label == "Layers in a group").set_value(3).run()
    button(page, "Start run").click().run()
    assert [(spec.players, spec.protect) for spec in asked] == [("group:3", (0, 7))]
    page = open_page()
    next(field for field in page.text_input if field.label == "Layers that stay").set_value("the first").run()
    assert "no list of numbers" in said(page)
