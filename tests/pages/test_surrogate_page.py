"""The page Surrogate in every state of a run, and its predictions against the command line's."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.digits import perplexity, significant
from app.surrogate.fit_figures import learning_curve, predicted_against_measured, residuals_by_size
from app.worker.client import Jobs
from cache import queries
from core.records.spec import RunSpec
from core.surrogate.conformal import band_of
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.jobs import finish, wait
from tests.support.pages import box, open_page, said


def table(page: AppTest, column: str) -> object:
    return next(frame.value for frame in page.dataframe if column in frame.value)


def test_no_run_yet(shared: Jobs) -> None:
    assert "No run has contributions yet" in said(open_page("surrogate"))


def test_unfinished_run_says_when_predictions_come(shared: Jobs, spec: RunSpec) -> None:
    job = shared.submit(RunSpec(**{**vars(spec), "sequences": 250, "window": 128, "masks": 100}))
    wait(lambda: job.result is not None)
    page = open_page("surrogate")
    assert "at the end of a run" in said(page) and not page.get("plotly_chart")
    assert job.active and any(button.label == "Cancel" for button in page.button)
    shared.cancel(job)
    wait(lambda: not job.active)
    page = open_page("surrogate")
    assert "This run is cancelled" in said(page) and "at the end of a run" in said(page)


def test_finished_run_is_held_against_what_it_has_not_seen(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("surrogate", run=run)
    result, found = queries.find_run(shared.database, run).result, queries.diagnostics(shared.database, run)
    assert result is not None and found is not None and found.beyond is not None
    fits = {metric.label: metric.value for metric in page.metric}
    assert float(fits["R²"]) == pytest.approx(result.surrogate.r2, abs=1e-3)
    kinds = table(open_page("surrogate", run=run, tab="kinds"), "mean absolute error")
    assert len(kinds) == 7 and kinds.set_index("surrogate").loc[result.surrogate.name, "R²"] == result.surrogate.r2
    assert len(page.get("plotly_chart")) == 3
    assert len(table(page, "within a factor of")) == len(result.bands)
    assert len(table(open_page("surrogate", run=run, tab="beyond"), "off by a factor of, extrapolated")) == 7
    assert table(open_page("surrogate", run=run, tab="curve"), "learnt from")["R²"].tolist() == [
        step.r2 for step in found.curve
    ]
    points = table(page, "measured perplexity")
    assert len(points) == 50
    np.testing.assert_allclose(points["measured perplexity"], result.dense_perplexity / np.array(found.scores))
    for kind in found.predicted[1:3]:
        box(page, "Kind of surrogate").set_value(kind.name).run()
        expected = result.dense_perplexity / np.maximum(kind.scores, 1e-5)
        np.testing.assert_allclose(table(page, "measured perplexity")["predicted perplexity"], expected)
    held = found.predicted[0]
    against = predicted_against_measured(result, found, held).alt
    off = np.exp(np.abs(np.log(found.scores) - np.log(np.maximum(held.scores, 1e-5))))
    assert f"50 coalitions as measured and as predicted by {held.name}" in against
    assert f"within a factor of {significant(np.median(off))}" in against
    assert f"from {found.curve[-1].masks}, {significant(found.curve[-1].r2)}" in learning_curve(found.curve).alt
    shapes = residuals_by_size(result, found, held).figure.layout.shapes
    assert [shape.y1 for shape in shapes] == [band.half for band in result.bands if np.isfinite(band.half)]


def test_a_prediction_is_the_command_lines(shared: Jobs, finished: Finished, spec: RunSpec, cli: Cli) -> None:
    [run] = finished(spec)
    page = open_page("surrogate", run=run, tab="why")
    page.multiselect[0].set_value([1, 3, 4]).run()
    assert not page.exception
    status, answer, _ = cli("predict", run, "--remove", "1,3,4")
    assert status == 0
    shown = next(metric for metric in page.metric if metric.label.startswith("Perplexity (pred"))
    assert shown.value == perplexity(answer["perplexity"])
    result = queries.find_run(shared.database, run).result
    assert result is not None
    factor = band_of(result.bands, 5).factor
    low, high = (answer["perplexity"] * number for number in (1 / factor, factor))
    assert shown.delta == f"90 % interval {perplexity(low)} to {perplexity(high)}"
    shares = table(page, "share, nats a token")["share, nats a token"]
    assert shares.tolist() == pytest.approx([share["value"] for share in answer["shares"]])
    page.multiselect[0].set_value([]).run()
    assert "Pick one layer or more" in said(page)
    page.multiselect[0].set_value([0, 1, 2, 3, 4, 5, 6]).run()
    assert "Extrapolated" in said(page)


def test_run_of_an_earlier_release_says_how_to_get_the_predictions(
    shared: Jobs, finished: Finished, spec: RunSpec
) -> None:
    [run] = finished(spec)
    with shared.database.writing() as connection:
        connection.execute("DELETE FROM diagnostics")
    page = open_page("surrogate", run=run)
    assert "Run it again" in said(page) and not page.get("plotly_chart")
    assert finish(shared, spec) == run
    job = shared.newest()
    assert job is not None and job.result is not None and job.result.measured == 0, "everything came from the cache"
    assert len(open_page("surrogate", run=run).get("plotly_chart")) == 3
