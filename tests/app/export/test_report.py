"""The report of a run, and its figures: nothing in them but the run and the removal, and the data of each figure."""

import base64
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Page

from app.example import shipped
from app.export import vector
from app.export.figure_files import write_figures
from app.export.report import report, report_of
from app.export.run_figures import RunFigure, run_figures, usual_removal
from app.figures.charts import Chart
from app.root import ROOT
from cache import evaluations, queries
from cache.database import Database
from cache.queries import StoredRun
from cache.store import Store
from core.coalitions.masks import encode, without
from core.records.behaviour.treatments import Treatment
from core.records.mends import Healing, Reading
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.stored import store_run

EVERY = ["contributions", "by-depth", "interactions", "surrogate", "plans", "methods"]


@pytest.fixture
def example(tmp_path: Path) -> tuple[Database, StoredRun]:
    """A results file with the run that ships, which has all that a run can have."""
    database = Database(tmp_path / "example.duckdb")
    shipped.load_into(database)
    [run] = queries.runs(database)
    return database, run


def data_of(page: str) -> dict[str, pd.DataFrame]:
    """The tables that a report offers, by the names of their files."""
    found = re.findall(r"<a download='([^']+)' href='data:text/csv;charset=utf-8;base64,([^']+)'>", page)
    return {name: pd.read_csv(io.BytesIO(base64.b64decode(packed))) for name, packed in found}


def test_the_same_bytes_for_whoever_asks(example: tuple[Database, StoredRun], tmp_path: Path) -> None:
    database, run = example
    first = report_of(database, run, (11, 25))
    assert first == report_of(Database(database.file), queries.find_run(database, run.run[:4]), (11, 25))
    assert first != report_of(database, run, (11, 24))
    assert re.findall(rb'<div id="([^"]+)"', first) == [name.encode() for name in EVERY]


def test_another_process_writes_the_same(cache_file: Path) -> None:
    """One that draws no page, with as many threads as there are: predictions are in it."""
    run = store_run(Database(cache_file)).run
    code = (
        "import sys; from pathlib import Path; from cache import queries; from cache.database import Database\n"
        "from app.export.report import report_of\n"
        "database = Database(Path(sys.argv[1]))\n"
        "sys.stdout.buffer.write(report_of(database, queries.find_run(database, sys.argv[2]), (2, 5)))\n"
        "assert not {'streamlit', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, cache_file, run], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    database = Database(cache_file)
    here = report_of(database, queries.find_run(database, run), (2, 5))
    assert b"predicted" in here and done.stdout == here


def test_what_each_step_of_an_export_gave(cache_file: Path) -> None:
    database = Database(cache_file)
    run = queries.find_run(database, store_run(database).run)
    result, readings = run.result, (Reading(0, None, 99.0), Reading(8, 2.0, 44.0))
    assert result is not None and b"step by step" not in report_of(database, run, (2, 5))
    healing = Healing("<b>notes</b>", "0123456789abcdef", 100, 8, 8, readings, 66.5)
    treated = Treatment(result.protocol, 11.0, 88.0, None, healing, 33.5)
    Store(database).record_traits(result.model, encode(without(len(result.model.players), (2, 5))), treated)
    page = report_of(database, run, (2, 5)).decode()
    rows = re.findall(r"<td>([^<]+)</td><td>([^<]+)</td>", page)
    assert rows == [("whole model", "11.0"), ("after the cut", "88.0"), ("after 8 steps of training", "33.5")]
    assert "&lt;b&gt;notes" in page and "<b>notes" not in page
    assert b"step by step" not in report_of(database, run, (2,))


def test_no_path_of_this_machine(finished: Finished, spec: RunSpec, cache_file: Path, tiny: Path) -> None:
    [name] = finished(spec)
    database = Database(cache_file)
    run = queries.find_run(database, name)
    page = report_of(database, run, usual_removal(database, run)).decode()
    assert tiny.name in page and "tale.txt" in page
    for ours in (str(tiny.parent), str(cache_file.parent), str(Path.home()) + "/", str(ROOT)):
        assert ours not in page, ours


def test_every_figure_of_the_report_has_its_data(example: tuple[Database, StoredRun]) -> None:
    database, run = example
    result, gone = run.result, (11, 25)
    assert result is not None
    data = data_of(report_of(database, run, gone).decode())
    assert list(data) == [f"{name}-{run.run}.csv" for name in EVERY]
    values = data[f"contributions-{run.run}.csv"].set_index("layer")
    for item in result.overall:
        assert values.loc[item.layer, "contribution"] == item.value
        assert values.loc[item.layer, "low (90 %)"] == item.low
    depths = data[f"by-depth-{run.run}.csv"].set_index("layers kept")
    for item in result.contributions:
        if item.stratum is not None:
            assert depths.loc[item.stratum, f"layer {item.layer}"] == item.value
    assert result.interactions is not None
    assert len(data[f"interactions-{run.run}.csv"]) == len(result.interactions.pairs)
    plans = data[f"plans-{run.run}.csv"]
    selection, compared = queries.find_selection(database, run.run), queries.comparison(database, run.run)
    assert compared is not None
    for plan in selection.plans:
        known = evaluations.measured_without(database, run.game, 30, plan.removed)
        [row] = plans[(plans["chosen by"] == "best plans") & (plans["removed"] == plan.count)].to_dict("records")
        assert row["layers"] == ", ".join(map(str, plan.removed)) and row["source"] == "measured"
        assert known is None or row["perplexity"] == pytest.approx(known[0])
    assert {method.method for method in compared.methods} - {"quorum"} <= set(plans["chosen by"])
    [here] = plans[plans["chosen by"] == "this removal"].to_dict("records")
    assert here["layers"] == "11, 25" and here["source"] in ("measured", "predicted")
    methods = data[f"methods-{run.run}.csv"]
    assert list(methods["method"]) == [method.method for method in compared.methods]


def test_figures_and_their_tables_show_the_same(example: tuple[Database, StoredRun]) -> None:
    """Numbers that are drawn stand in the table."""
    database, run = example
    for figure in run_figures(database, run, (11, 25)):
        told = np.sort(figure.table.select_dtypes("number").to_numpy(dtype=float).ravel())
        for trace in figure.chart.figure.data:
            if trace.type in ("bar", "heatmap") or (trace.name and trace.name != "90 % interval"):
                shown = trace.y
                if trace.type == "heatmap":  # what is scaled row by row is told undivided
                    shown = trace.customdata if figure.chart.note else trace.z
                drawn = np.array(shown, dtype=float).ravel()
                drawn = drawn[np.isfinite(drawn) & (drawn != run.result.dense_perplexity)]
                if figure.name == "methods":
                    drawn = drawn[1:]  # the whole model's
                nearest = np.abs(told[:, None] - drawn).min(axis=0)
                assert (nearest <= 1e-9 * np.maximum(1, np.abs(drawn))).all(), (figure.name, trace.name)


def test_a_run_that_goes_on_has_fewer_figures(example: tuple[Database, StoredRun]) -> None:
    database, run = example
    assert run.result is not None
    so_far = replace(run.result, interactions=None, bands=(), others=())
    young = replace(run, run="young", read=lambda: so_far, status="cancelled")
    names = [figure.name for figure in run_figures(database, young, (25,))]
    assert names == ["contributions", "by-depth", "plans"]


def test_players_by_their_names(cache_file: Path) -> None:
    database = Database(cache_file)
    halves = tuple(f"{block}{half}" for block in range(4) for half in "am")
    result = store_run(database, 4, players=halves)
    run = queries.find_run(database, result.run)
    data = data_of(report_of(database, run, (1, 4)).decode())
    assert set(data[f"contributions-{run.run}.csv"]["layer"]) == set(halves)
    [here] = [row for row in data[f"plans-{run.run}.csv"].to_dict("records") if row["chosen by"] == "this removal"]
    assert here["layers"] == "0m, 2a"


def test_what_is_predicted_says_so(cache_file: Path) -> None:
    database = Database(cache_file)
    run = queries.find_run(database, store_run(database).run)
    plans = data_of(report_of(database, run, (3, 4)).decode())[f"plans-{run.run}.csv"]
    assert encode(without(8, (3, 4))) not in evaluations.losses(database, run.game, [encode(without(8, (3, 4)))])
    for row in plans.to_dict("records"):
        places = tuple(map(int, str(row["layers"]).split(", ")))
        known = evaluations.measured_without(database, run.game, 8, places)
        assert (row["source"] == "measured") == (known is not None), row
        assert known is None or row["perplexity"] == pytest.approx(known[0])
    assert {"measured", "predicted"} <= set(plans["source"])


def test_what_a_file_may_say_is_text(example: tuple[Database, StoredRun]) -> None:
    database, run = example
    evil = "</script><script>alert(1)</script><b>'\"&"
    assert run.result is not None
    model = replace(run.result.model, source=evil, architecture=evil, dtype=evil, players=())
    forged = replace(run.result, model=model, protocol=replace(run.result.protocol, corpus=evil))
    page = report(forged, (1,), None, run_figures(database, replace(run, read=lambda: forged), (1,)))
    assert "alert(1)</script>" not in page and "<b>'" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page


def test_files_draw_without_a_network(
    example: tuple[Database, StoredRun], tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine whose program knows of no browser, too."""
    monkeypatch.setattr(vector, "browser", lambda: None)
    database, run = example
    out = tmp_path / "figures"
    written = write_figures(database, run, (11, 25), out)
    assert written == sorted(file.name for file in out.iterdir())
    files = [f"{name}.{kind}" for name in [*EVERY, "strip"] for kind in ("html", "csv", "tex")]
    assert written == sorted([*files, "strip.svg"])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((out / "interactions.html").as_uri())
    page.locator("#interactions .main-svg").first.wait_for()
    with page.expect_download() as drawn:
        page.get_by_text("Save as SVG").click()
    assert drawn.value.suggested_filename == f"interactions-{run.run}.svg"
    assert ElementTree.parse(drawn.value.path()).getroot().tag.endswith("svg")
    with page.expect_download() as data:
        page.get_by_text("Its data (CSV)").click()
    assert data.value.path().read_text() == (out / "interactions.csv").read_text()
    page.goto((out / "strip.html").as_uri())
    assert page.get_by_role("img").get_attribute("aria-label") == "30 layers, without 11, 25"
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    strip = pd.read_csv(out / "strip.csv")
    assert list(strip[strip["removed"]]["layer"]) == [11, 25] and len(strip) == 30
    crossed = [place.tag.rpartition("}")[2] for place in ElementTree.parse(out / "strip.svg").getroot()]
    assert crossed.count("rect") == crossed.count("text") == 30 and crossed.count("path") == 2


def test_a_browser_of_this_machine_draws_svg(example: tuple[Database, StoredRun]) -> None:
    database, run = example
    figures = [figure for figure in run_figures(database, run, (25,)) if figure.name in ("contributions", "plans")]
    drawn = vector.vectors(figures)
    assert list(drawn) == ["contributions", "plans"]
    for name, title in (("contributions", "layer (0 is next to the embedding)"), ("plans", "layers removed")):
        texts = [element.text for element in ElementTree.fromstring(drawn[name]).iter() if element.text]
        assert title in texts


@pytest.mark.parametrize("does", ["exit 1", "echo nothing", "sleep 60", "printf '<i data-svg=\\'"])
def test_a_browser_that_does_not_draw(does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\nexec {does}\n" if does.startswith("sleep") else f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(vector, "_SECONDS", 1)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert vector.browser() == str(program)
    assert vector.vectors([RunFigure("empty", "Empty", Chart(go.Figure(), "Nothing."), pd.DataFrame())]) == {}
