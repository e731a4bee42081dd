"""Looking changes no number: pages and commands say the same after what-ifs and a search, until a refit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.__main__ import main
from app.digits import perplexity
from app.worker.client import Jobs
from cache import queries
from cache.store import Store
from core.coalitions.masks import encode, without
from core.records.spec import RunSpec
from core.records.storage import Evaluation
from core.run.engine import Engine
from core.selection.targets import Request
from tests.support.finished import Finished
from tests.support.pages import button, open_page, said
from tests.support.stored import DENSE, loss, store_run

COMMANDS = (
    ("values",),
    ("values", "--value", "shapley", "--worth", "log_score", "--check"),
    ("values", "--value", "paper"),
    ("interactions",),
    ("predict", "--remove", "1,4,6"),
)
PAGES = (
    ("contributions", {}),
    ("contributions", {"value": "local", "worth": "log_score", "layer": "0"}),
    *(("contributions", {"tab": tab}) for tab in ("depth", "text", "worths", "ranks", "literature")),
    ("interactions", {"index": "banzhaf"}),
    ("interactions", {"path": "prediction"}),
    ("learn", {"step": "axioms"}),
)
SETS = ((1, 2, 3, 4, 6), (0, 1, 2, 6, 7), (0, 2, 4, 6, 7))  # more than any run here removes


def look_around(shared: Jobs, game: str, sets: tuple[tuple[int, ...], ...] = SETS) -> None:
    """Measures removals of a made-up game, as what-ifs do; each costs much more than its layers tell."""
    masks = np.array([without(8, removed) for removed in sets])
    losses = (DENSE + loss(masks) + 2.0).astype(np.float32)
    made = [Evaluation(encode(mask), row) for mask, row in zip(masks, losses, strict=True)]
    Store(shared.database).record(game, made)


def all_of(page: AppTest) -> list[str]:
    """Everything that is on a page but what estimates can be refitted with."""
    words = [line for line in said(page).splitlines() if not line.startswith("Estimates rest on")]
    figures = [f"{metric.label}: {metric.value} {metric.delta}" for metric in page.metric]
    tables = [frame.value.to_csv() for frame in page.dataframe]
    return [*words, *figures, *tables, *(chart.proto.spec for chart in page.get("plotly_chart"))]


def test_commands_say_the_same_to_the_byte(
    finished: Finished, spec: RunSpec, cache_file: Path, shared: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    [name] = finished(spec)
    run = queries.find_run(shared.database, name)

    def answer(command: str, *options: str) -> str:
        assert main([command, name, *options, "--json", "--cache", str(cache_file)]) == 0
        return capsys.readouterr().out

    before = {command: answer(*command) for command in COMMANDS}
    engine = Engine(Store(shared.database))
    known = len(Store(shared.database).measured(run.game))
    for removed in SETS:
        list(engine.measure(run.resolved, run.spec.text(), removed))
    list(engine.select(run.run, run.game, run.resolved, Request(0.2, 3)))
    more = len(Store(shared.database).measured(run.game))
    assert more > known + len(SETS), "the search has measured something, too"
    assert {command: answer(*command) for command in COMMANDS} == before
    for command in COMMANDS:
        old, new = json.loads(before[command]), json.loads(answer(*command, "--refit"))
        assert old.pop("basis") == {"own": known - 1, "further": 0, "refitted": False}
        assert new.pop("basis") == {"own": known - 1, "further": more - known, "refitted": True}
        assert old != new


def test_a_measured_set_has_its_measurement_beside_the_prediction(
    finished: Finished, spec: RunSpec, cache_file: Path, shared: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    [name] = finished(spec)
    run = queries.find_run(shared.database, name)
    call = ["predict", name, "--remove", "0,1,2,3", "--cache", str(cache_file)]

    def said_of_it() -> tuple[dict[str, Any], str]:
        assert main([*call, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert main(call) == 0
        return answer, capsys.readouterr().out

    before, words = said_of_it()
    assert before["measured"] is None and "predicted, not measured" in words
    *_, found = Engine(Store(shared.database)).measure(run.resolved, run.spec.text(), (0, 1, 2, 3))
    after, words = said_of_it()
    measured = after.pop("measured")
    assert measured["perplexity"] == pytest.approx(found.perplexity) and measured["low"] < measured["high"]
    assert after == {key: value for key, value in before.items() if key != "measured"}
    assert f"{found.perplexity:.2f} without layers 0,1,2,3: measured" in words
    assert f"was predicted as {before['perplexity']:.2f}" in words


@pytest.mark.parametrize(("page", "address"), PAGES, ids=lambda part: str(part))
def test_pages_say_the_same_until_they_are_asked(shared: Jobs, page: str, address: dict[str, str]) -> None:
    result = store_run(shared.database)
    own, game = result.surrogate.masks, queries.find_run(shared.database, result.run).game
    before = all_of(open_page(page, run=result.run, **address))
    look_around(shared, game)
    shown = open_page(page, run=result.run, **address)
    assert all_of(shown) == before
    if page == "learn":
        return
    assert f"Estimates rest on: {own} coalitions of the run." in said(shown)
    button(shown, f"Refit with all {own + 3} evaluations of this game").click().run()
    assert not shown.exception and shown.query_params["refit"] == str(own + 3)
    assert f"Estimates rest on: refitted: {own} coalitions of the run and 3 further evaluations" in said(shown)
    refit = all_of(shown)
    assert refit != before

    # The address gives the same to another person, also when more is measured.
    look_around(shared, game, ((1, 2, 3, 5, 7),))
    other = open_page(page, run=result.run, refit=str(own + 3), **address)
    assert all_of(other) == refit
    button(other, f"Refit with all {own + 4} evaluations of this game")
    button(other, "Back to the run's own coalitions").click().run()
    assert "refit" not in other.query_params and all_of(other) == before


def test_figures_say_what_they_rest_on(shared: Jobs) -> None:
    result = store_run(shared.database)
    own, game = result.surrogate.masks, queries.find_run(shared.database, result.run).game
    look_around(shared, game)
    words = f"refitted: {own} coalitions of the run and 3 further evaluations"
    for page, address in PAGES[:-1]:
        shown = said(open_page(page, run=result.run, refit=str(own + 3), **address))
        assert f"({words}):" in shown
        shown = said(open_page(page, run=result.run, **address))
        assert words not in shown and f"({own} coalitions of the run):" in shown


@pytest.mark.parametrize("refit", ["many", "0", "-1", "100000", "³"])
def test_a_refit_that_there_is_not_is_named(shared: Jobs, refit: str) -> None:
    result = store_run(shared.database)
    before = all_of(open_page("contributions", run=result.run))
    page = open_page("contributions", run=result.run, refit=refit)
    assert f"There is no refit with {refit} evaluations" in said(page)
    assert set(before) <= set(all_of(page))


def test_a_refit_belongs_to_its_run_and_to_all_pages_of_a_session(shared: Jobs) -> None:
    result = store_run(shared.database)
    own, game = result.surrogate.masks, queries.find_run(shared.database, result.run).game
    look_around(shared, game)
    page = open_page("contributions", run=result.run, refit=str(own + 2))
    page.switch_page("../../pages/interactions.py").run()
    assert not page.exception and page.query_params["refit"] == str(own + 2)
    assert "2 further evaluations" in said(page)


def test_preview_and_surrogate_put_the_measurement_first(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [name] = finished(spec)
    run = queries.find_run(shared.database, name)
    page = open_page("surrogate", run=name, tab="why")
    page.multiselect[0].set_value([0, 1, 2, 3]).run()
    [shown] = [metric for metric in page.metric if metric.label.startswith("Perplexity (")]
    was = f"Was {shown.label[12:-1]} as {shown.value}"
    assert was.startswith(("Was predicted", "Was extrapolated"))
    *_, found = Engine(Store(shared.database)).measure(run.resolved, run.spec.text(), (0, 1, 2, 3))
    page.run()
    assert was in said(page)
    page = open_page("preview", run=name, remove="0,1,2,3")
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Perplexity (measured)"] == perplexity(found.perplexity) and "Perplexity (predicted)" not in figures
    assert was in said(page)
    button(page, "Refit with all 51 evaluations of this game").click().run()
    assert not page.exception and "The surrogate has learnt from this measurement" in said(page)
