"""The page Interactions: every index and worth, orders, the network, the pair, and the counterexample."""

import re

import numpy as np
import pytest

from app.figures.strip import strips
from app.interactions.matrix import interaction_matrix
from app.interactions.network import network_figure
from app.worker.client import Jobs
from app.worker.job import Job
from cache import evaluations, queries
from cache.store import Store
from core.attribution.named_values import pair_interactions
from core.coalitions.masks import encode, without
from core.records.spec import RunSpec
from core.records.storage import Evaluation
from core.selection.counterexample import by_contribution, find_counterexample
from core.surrogate.surrogate import fit
from tests.support.pages import box, button, open_page, said
from tests.support.stored import DENSE, loss, store_run

PLAYERS = tuple(map(str, range(8)))


def test_every_index_and_worth_can_be_chosen(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("interactions", run=result.run)
    assert result.interactions is not None
    np.testing.assert_allclose(
        page.dataframe[0].value["interaction"], [pair.value for pair in result.interactions.pairs]
    )
    box(page, "Interaction").set_value("faithful").run()
    assert not page.exception and "Faith-Shap" in said(page) and page.query_params["index"] == "faithful"
    run = queries.find_run(shared.database, result.run)
    expected = pair_interactions(evaluations.measurements(shared.database, run), "faithful", "log_score", 0)
    np.testing.assert_allclose(page.dataframe[0].value["interaction"], [pair.value for pair in expected.pairs])
    box(page, "Order of the matrix").set_value("cluster").run()
    assert not page.exception and page.query_params["order"] == "cluster"
    assert "--worth kl" in said(open_page("interactions", run=result.run, worth="kl"))


def test_pair_is_in_the_address(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("interactions", run=result.run, pair="1-2")
    assert re.search(r"layers 1 and 2: \*\*-0\.\d+\*\* nats a token", said(page)) and "makes up for" in said(page)
    assert "There is no pair 5-5" in said(open_page("interactions", run=result.run, pair="5-5"))


def test_counterexample_is_predicted_then_measured(shared: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers 1 and 2 contribute least, and make up for each other. A worker that knows the game measures both."""
    result = store_run(shared.database)
    run = queries.find_run(shared.database, result.run)
    found = find_counterexample(fit(evaluations.measurements(shared.database, run)), by_contribution(result.overall))
    assert found is not None and not found.measured
    page = open_page("interactions", run=result.run)
    assert f"With **{found.count}** layers removed" in said(page) and "(predicted)" in said(page)

    asked = []

    def preview(client: str, spec: RunSpec, removed: tuple[int, ...]) -> Job:
        asked.append((client, removed))
        losses = (DENSE + loss(without(8, removed)[None]))[0].astype(np.float32)
        Store(shared.database).record(run.game, [Evaluation(encode(without(8, removed)), losses)])
        return Job(spec, removed)

    monkeypatch.setattr(shared, "preview", preview)
    button(page, "Measure both removals").click().run()
    assert [removed for _, removed in asked] == [found.one_by_one, found.better]
    assert len({client for client, _ in asked}) == 2, "the second request must not replace the first"
    assert "Measuring both removals" in said(page)
    page = open_page("interactions", run=result.run)
    assert f"With **{found.count}** layers removed" in said(page) and "nats a token more (measured)" in said(page)
    true = [np.exp((DENSE + loss(without(8, gone)[None])).mean()) for gone in (found.one_by_one, found.better)]
    shown = [float(metric.value) for metric in page.metric if "(measured)" in metric.label]
    assert shown == pytest.approx(true, rel=5e-3) and true[0] > true[1]


def test_figures_say_what_they_show(shared: Jobs) -> None:
    result = store_run(shared.database)
    assert result.interactions is not None
    first = result.interactions.pairs[0]
    order = (7, 6, 5, 4, 3, 2, 1, 0)
    chart = interaction_matrix(result.interactions, order, PLAYERS, "nats", first)
    heat, cells, mark = chart.figure.data
    assert heat.z[order.index(1)][order.index(2)] == heat.z[order.index(2)][order.index(1)] == first.value
    here = [data[0] for x, y, data in zip(cells.x, cells.y, cells.customdata, strict=True) if (x, y) == (5, 6)]
    assert here == ["1-2"], "a click on the cell of layers 1 and 2 chooses that pair"
    assert set(zip(mark.x, mark.y, strict=True)) == {(5, 6), (6, 5)}
    network = network_figure([first], PLAYERS, "nats")
    assert network.figure.data[0].line.dash == "dash" and "1 of them redundancies" in network.alt
    drawn = strips({"one by one": (1, 2)}, result)
    assert drawn.count("<span title=") == 8 and drawn.count("(removed)") == 2 and "without 1, 2" in drawn
    both = strips({"one": (1, 2), "other": (2, 5)}, result, differing=True)
    framed = re.findall(r"title='layer (\d)[^']*' style='[^']*outline", both)
    assert framed == ["1", "5", "1", "5"], "what only one of the two removes"
    assert re.findall(r">(\d)</span>", both) == ["1", "2", "5", "1", "2", "5"], "what both keep has no name on it"
