"""The page Contributions: every value and worth, the layer's panel, what values depend on, and the address."""

from dataclasses import replace

import numpy as np
import pytest

from app.contributions.layer_figures import rank_figure
from app.contributions.layer_panel import depth_words
from app.dashboard import estimated
from app.figures.heatmaps import sequence_heatmap, worth_heatmap
from app.worker.client import Jobs
from cache import evaluations, queries
from cache.basis import asked
from cache.store import Store
from core.attribution.named_values import layer_values
from core.coalitions.masks import without
from core.records.storage import Evaluation
from core.records.values import LayerValues
from tests.support.pages import box, open_page, said
from tests.support.stored import DENSE, loss, store_run


@pytest.mark.parametrize(
    ("strata", "values", "said"),
    [
        ((7, 4, 2), [3.0, 2.0, 1.0], "few others are missing (7"),
        ((2, 7, 4), [1.0, 3.0, 2.0], "few others are missing (7"),
        ((2, 7, 4), [-3.0, 1.0, 2.0], "many others are missing (2"),
        ((2, 7, 4), [1.0, 1.0, 2.0], "in between (4"),
    ],
)
def test_depth_compares_sizes_and_not_places(strata: tuple[int, ...], values: list[float], said: str) -> None:
    assert said in depth_words(strata, values)
    assert depth_words(strata[:1], values[:1]) == ""


def test_exact_values_are_not_called_estimated(shared: Jobs) -> None:
    run = queries.find_run(shared.database, store_run(shared.database).run)
    exact = LayerValues("shapley", "score", (), None, 0.0)
    assert estimated.basis(shared.database, run, exact).startswith("Exact: every coalition was measured")


def test_every_value_and_worth_can_be_chosen_and_is_explained(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("contributions", run=result.run)
    table = page.dataframe[0].value.sort_values("layer")
    np.testing.assert_allclose(table["contribution"], [item.value for item in result.overall])
    assert "Stratified contribution" in said(page) and "as the run found them" in said(page)
    box(page, "Value").set_value("shapley").run()
    box(page, "Worth").set_value("log_score").run()
    assert not page.exception and "Shapley value" in said(page) and "nats a token" in said(page)
    assert page.query_params["value"] == "shapley" and page.query_params["worth"] == "log_score"
    run = queries.find_run(shared.database, result.run)
    expected = layer_values(evaluations.measurements(shared.database, run), "shapley", "log_score", run.strata, 0)
    table = page.dataframe[0].value.sort_values("layer")
    np.testing.assert_allclose(table["Shapley value"], [item.value for item in expected.values])


def test_address_opens_a_value_and_a_layer_and_names_what_there_is_not(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("contributions", run=result.run, value="local", layer="3")
    assert "Local value" in said(page) and "Layer 3" in said(page)
    page = open_page("contributions", run=result.run, value="nucleolus", layer="99")
    assert "There is no value nucleolus" in said(page) and "stratified, shapley, banzhaf, local" in said(page)
    assert "There is no layer 99" in said(page) and "Layer 0" in said(page)


def test_kl_is_offered_where_it_is_measured_and_otherwise_the_command_that_measures_it(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("contributions", run=result.run, worth="kl", value="shapley")
    assert f"python -m app values {result.run} --worth kl" in said(page)
    store_run(shared.database, kl=True)
    page = open_page("contributions", run=result.run, worth="kl", value="shapley", tab="worths")
    assert "negative KL divergence" in said(page) and "--worth kl" not in said(page)
    worths = next(frame.value for frame in page.dataframe if "worth" in frame.value)
    assert list(worths["worth"]) == ["score", "log score", "kl"]
    np.testing.assert_allclose(worths.iloc[1, 1:].astype(float), worths.iloc[2, 1:].astype(float), atol=1e-3)


def test_panel_of_a_layer_tells_measured_from_predicted(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("contributions", run=result.run, layer="1")
    shown = {metric.label: metric.value for metric in page.metric}
    true = np.exp((DENSE + loss(without(8, [1])[None])).mean())
    assert float(shown["Perplexity without it alone (measured)"]) == pytest.approx(true, rel=5e-3)
    partners = next(frame.value for frame in page.dataframe if "with layer" in frame.value)
    assert len(partners) == 5 and partners.iloc[0]["with layer"] == 2 and partners.iloc[0]["meaning"] == "redundancy"
    page = open_page("contributions", run=result.run, layer="0")
    shown = {metric.label: metric.value for metric in page.metric}
    true = np.exp((DENSE + loss(without(8, [0])[None])).mean())
    [label] = [label for label in shown if "without it alone (predicted" in label]
    assert float(shown[label]) == pytest.approx(true, rel=0.1)


def test_a_layer_that_one_text_needs_stands_out_there(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("contributions", run=result.run, worth="log_score", value="local", tab="text")
    table = next(frame.value for frame in page.dataframe if "sequence" in frame.value)
    last = table["layer 7"].to_numpy(dtype=float)
    assert last[3] == pytest.approx(1.0, abs=0.1) and np.abs(last[:3]).max() < 0.1


def test_figures_say_what_they_show() -> None:
    values = np.array([[0.1, 0.4], [0.2, -0.8]])
    chart = worth_heatmap({"score": values[0], "log score": values[1]}, ("0", "1"))
    np.testing.assert_allclose(chart.figure.data[0].z, [[0.25, 1.0], [0.25, -1.0]])
    assert "score: layer 1" in chart.alt and "log score: layer 0" in chart.alt
    assert "Layer 1 depends most on the text" in sequence_heatmap(["1", "2"], values, ("0", "1"), "unit").alt
    ranks = rank_figure(np.array([[1.0, 1, 1], [2, 1, 3], [3, 2, 3]]), ("0", "1", "2"))
    assert "layer 1 moves most, from 1 to 3" in ranks.alt


def test_estimates_are_not_made_anew_for_what_others_measure(shared: Jobs) -> None:
    """Neither a what-if nor the coalitions of another run of the game; a refit, and what a run itself finds, are."""
    result, database = store_run(shared.database), shared.database
    run, store = queries.find_run(database, result.run), Store(database)
    other = store.begin(run.game, replace(run.spec, seed=1), result.protocol, result.strata)
    before = estimated._key(database, run)
    with store.claim(other):
        store.record(run.game, [Evaluation("00000001", DENSE.astype(np.float32))])
        store.save(replace(result, run=other), "running")
        assert estimated._key(database, run) == before
        going = queries.find_run(database, other)
        early = estimated._key(database, going)
        own = sorted(asked(database, going).own - asked(database, run).own)  # the made-up run lacks some of its own
        store.record(run.game, [Evaluation(mask, DENSE.astype(np.float32)) for mask in own])
        assert estimated._key(database, going) == early, "its next estimate is the next that pages show"
    assert estimated._key(database, run) == before
    refit = estimated._key(database, replace(run, refit=len(store.measured(run.game)) - 1))
    assert refit != before
    store.record(run.game, [Evaluation("00000111", DENSE.astype(np.float32), DENSE.astype(np.float32))])
    assert estimated._key(database, replace(run, refit=refit[4])) == refit
