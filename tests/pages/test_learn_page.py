"""The page Learn without a run, with one, and with its widgets changed."""

from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.dashboard.estimated import surrogate
from app.worker.client import Jobs
from cache import evaluations, queries
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.pages import button, labelled, links, open_page, said

STEPS = ("teams", "orders", "axioms", "sampling", "surrogate", "strata")


@pytest.fixture
def lecture(shared: Jobs, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page on an empty file."""
    return open_page("learn")


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def go(page: AppTest, step: str) -> None:
    labelled(page.segmented_control, "Step").set_value(step).run()
    assert not page.exception, page.exception


def through(page: AppTest) -> Iterator[AppTest]:
    """The page at each of its steps."""
    for step in STEPS:
        go(page, step)
        yield page


def test_lecture_needs_no_run(lecture: AppTest) -> None:
    assert "needs no run" in said(lecture) and "No run has contributions yet" in said(lecture)
    charts = 0
    for number, page in enumerate(through(lecture), 1):
        [header] = page.header
        assert header.value.startswith(f"{number}.") and header.value.endswith("?")
        assert said(page).count("**What to look for.**") == 1
        shown = page.get("plotly_chart")
        charts += len(shown)
        assert all(chart.proto.alt for chart in shown)
    assert charts == 8
    assert "appear here once there is a run" in said(lecture)
    go(lecture, "surrogate")
    assert metrics(lecture)["Coalitions"] == f"{2**32:,}"


def test_the_way_through_the_steps(shared: Jobs) -> None:
    """By buttons and by the address; worths that were changed stay so after a visit to other steps."""
    page = open_page("learn", step="orders")
    assert page.header[0].value.startswith("2.")
    next(box for box in page.selectbox if box.label == "Story").select_index(1).run()
    next(field for field in page.number_input if field.label == "Ann").set_value(7.0).run()
    for label, number in (("Next", "3."), ("Next", "4."), ("Back", "3."), ("Back", "2.")):
        button(page, label).click().run()
        assert not page.exception and page.header[0].value.startswith(number)
    assert page.query_params["step"] == "orders"
    assert next(field for field in page.number_input if field.label == "Ann").value == 7
    assert "There is no step seven" in said(open_page("learn", step="seven"))


def test_a_coalition_by_hand(lecture: AppTest) -> None:
    assert metrics(lecture)["Worth of Ann"] == "40"
    lecture.pills[0].set_value(["Ann", "Bo"]).run()
    assert metrics(lecture)["Worth of Ann + Bo"] == "100"
    next(field for field in lecture.number_input if field.label == "Ann + Bo").set_value(70.0).run()
    assert metrics(lecture)["Worth of Ann + Bo"] == "70"
    lecture.pills[0].set_value([]).run()
    assert metrics(lecture)["Worth of nobody"] == "0" and not lecture.exception


def test_the_mean_over_all_orders_becomes_the_shapley_value(lecture: AppTest) -> None:
    go(lecture, "orders")
    orders = next(slider for slider in lecture.slider if slider.label == "Orders played")
    orders.set_value(6).run()
    played = next(frame.value for frame in lecture.dataframe if "order" in frame.value)
    assert len(played) == 6 and len(set(played["order"])) == 6
    for name in ("Ann", "Bo", "Cy"):
        shown = next(metric for metric in lecture.metric if metric.label == f"{name}: mean of 6 of 6")
        assert float(shown.value) == pytest.approx(played[name].mean(), abs=0.006)
        assert shown.delta == f"Shapley value {shown.value} (exact)"


def test_axioms_follow_the_story(lecture: AppTest) -> None:
    def here() -> dict[str, str]:
        rows = next(frame.value for frame in lecture.dataframe if "axiom" in frame.value)
        return dict(zip(rows["axiom"], rows["here"], strict=True))

    def tell(story: int) -> None:
        next(box for box in lecture.selectbox if box.label == "Story").select_index(story).run()

    go(lecture, "axioms")
    assert here()["efficiency"] == "63.33 + 48.33 + 18.33 = 130.00" and "no two" in here()["symmetry"]
    tell(1)
    assert here()["symmetry"] == "Bo 10.00 = Cy 10.00" and here()["efficiency"].endswith("= 60.00")
    tell(2)
    assert here()["null player"] == "Cy 0.00"
    times = next(slider for slider in lecture.slider if slider.label.startswith("A second evening"))
    times.set_value(2.0).run()
    assert here()["linearity"] == "Ann: 55.00 + 80.00 = 135.00"


def test_sampling_and_fits_follow_their_sliders(lecture: AppTest) -> None:
    def table() -> object:
        return next(frame.value for frame in lecture.dataframe if "exact" in frame.value)

    go(lecture, "sampling")
    before = table()
    few = np.abs(before["estimated"] - before["exact"]).mean()
    next(slider for slider in lecture.select_slider if slider.label == "Orders sampled").set_value(500).run()
    after = table()
    assert np.abs(after["estimated"] - after["exact"]).mean() < few and (after["exact"] == before["exact"]).all()
    next(field for field in lecture.number_input if field.label == "Seed").set_value(5).run()
    assert (table()["estimated"] != after["estimated"]).any() and (table()["exact"] == before["exact"]).all()
    go(lecture, "surrogate")
    poor = float(metrics(lecture)["R² on coalitions not seen"])
    next(slider for slider in lecture.select_slider if slider.label.startswith("Coalitions measured")).set_value(
        150
    ).run()
    assert float(metrics(lecture)["R² on coalitions not seen"]) > max(poor, 0.99)
    assert metrics(lecture)["Coalitions predicted"] == str(1024 - 150)
    next(field for field in lecture.number_input if field.label == "Layers of a model").set_value(80).run()
    assert metrics(lecture)["Coalitions"] == "1.2e+24" and not lecture.exception


def test_cost_of_a_layer_decides_how_much_is_ruined(lecture: AppTest) -> None:
    go(lecture, "strata")
    ruined = "Ruined (score below 0.1) if all are drawn alike"
    cost = next(slider for slider in lecture.slider if slider.label.startswith("What a missing layer costs"))
    cost.set_value(0.1).run()
    assert metrics(lecture)[ruined] == "0%"
    cost.set_value(1.0).run()
    strata = next(value for label, value in metrics(lecture).items() if label.startswith("If drawn by strata"))
    assert int(metrics(lecture)[ruined][:-1]) > int(strata[:-1]) > 0


def test_each_step_ends_on_the_readers_run(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("learn", run=run)
    stored = queries.find_run(shared.database, run)
    measured = evaluations.measurements(shared.database, stored)
    assert stored.result is not None
    texts, charts, strips, shown = "", 0, 0, {}
    for each in through(page):
        texts, charts, shown = texts + said(each), charts + len(each.get("plotly_chart")), shown | metrics(each)
        strips += sum("role='img'" in html.proto.body for html in each.get("html"))
    assert texts.count("**On your run.**") == 5 and texts.count(str(stored.result.protocol)) == 5
    assert (charts, strips) == (11, 1)
    assert float(shown["Score PPL_dense / PPL (measured)"]) == pytest.approx(measured.scores.max(), rel=5e-3)
    assert shown["Sum of Shapley values (estimated)"] == shown["All layers less no layers (estimated)"]
    contributions = sum(item.value for item in stored.result.overall)
    assert float(shown["Sum of the paper's contributions (estimated)"]) == pytest.approx(contributions, abs=0.006)
    go(page, "teams")
    next(slider for slider in page.slider if slider.label.startswith("Coalition, from")).set_value(len(measured)).run()
    assert float(metrics(page)["Score PPL_dense / PPL (measured)"]) == pytest.approx(measured.scores.min(), rel=5e-3)
    go(page, "sampling")
    page.segmented_control[1].set_value("The surrogate of your run").run()
    exact = next(frame.value for frame in page.dataframe if "exact" in frame.value)
    assert len(exact) == 8 and "small coalitions are extrapolated" in said(page)
    ends = surrogate(shared.database, stored).process.predict(np.array([[False] * 8, [True] * 8]))
    assert exact["exact"].sum() == pytest.approx(ends[1] - ends[0], abs=1e-6), "of the surrogate's own game"


def test_unknown_run_is_named_and_another_is_not_taken(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("learn", run="nonesuch")
    assert "There is no run nonesuch" in said(page) and not page.header
    assert [query for _, query in links(page)] == [f"run={run}"]
