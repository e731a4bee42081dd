"""The page Preview: the slider, the strip, what is measured, and what a search adds."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.dashboard.estimated import predictor_of
from app.digits import significant
from app.example import shipped
from app.preview.steps import Step, usual
from app.preview.writing.writing_panel import marked
from app.worker.client import Jobs
from cache import evaluations, queries
from cache.store import Store
from core.coalitions.masks import encode, without
from core.records.mends import COMPENSATIONS
from core.records.spec import RunSpec
from core.selection.removal_paths import least_contributing
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import box, button, labelled, open_page, said


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def strip(page: AppTest) -> Any:
    """The row of buttons, one for each layer."""
    return next(row for row in page.get("button_group") if row.label.startswith("Layers"))


def measured(page: AppTest) -> float:
    job = page.session_state["job-preview"]
    wait(lambda: not job.active)
    page.run()
    assert not page.exception, page.exception
    return float(metrics(page)["Perplexity (measured)"])


def test_slider_strip_and_undo(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run)
    result = queries.find_run(shared.database, run).result
    assert result is not None
    ranked = {count: least_contributing(result.overall, count) for count in range(1, 5)}
    assert {"Perplexity (predicted)", "Perplexity (measured)"} & set(metrics(page))
    page.select_slider[0].set_value(3).run()
    assert page.query_params["remove"] == ",".join(map(str, ranked[3]))
    found = measured(page)
    losses = evaluations.losses(
        shared.database, queries.find_run(shared.database, run).game, [encode(without(8, ranked[3]))]
    )
    assert found == pytest.approx(float(np.exp(next(iter(losses.values())).mean())), rel=5e-3)
    assert f"{result.parameters_without(ranked[3]) / 1e6:,.1f} M parameters" in said(page)
    assert sorted(strip(page).value) == [layer for layer in range(8) if layer not in ranked[3]], (
        "kept layers are the solid ones"
    )
    strip(page).set_value([1, 2, 3, 4, 5, 6]).run()
    assert page.query_params["remove"] == "0,7"
    assert page.select_slider[0].value == 2
    button(page, "Undo U").click().run()
    assert page.query_params["remove"] == ",".join(map(str, ranked[3])) and page.select_slider[0].value == 3
    button(page, "Restore all").click().run()
    assert measured(page) == pytest.approx(result.dense_perplexity, rel=5e-3)


def test_accepted_loss(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run)
    page.number_input[0].set_value(10_000.0).run()
    assert page.select_slider[0].value == 4
    stored = queries.find_run(shared.database, run)
    predictor = predictor_of(shared.database, stored)
    assert predictor is not None and stored.result is not None
    ranked = {count: least_contributing(stored.result.overall, count) for count in range(1, 5)}
    costs = {}
    for count, gone in ranked.items():
        measured = evaluations.measured_without(shared.database, stored.game, 8, gone)
        costs[count] = measured[0] if measured is not None else predictor.predict(gone).perplexity
    limit = 1.01 * stored.result.dense_perplexity
    within = [count for count, cost in costs.items() if cost <= limit]
    page.number_input[0].set_value(1.0).run()
    assert not page.exception
    assert page.select_slider[0].value == (max(within) if within else 4)
    assert ("No set stays within 1%" in said(page)) == (not within)


@pytest.mark.parametrize("typed", ["0,7", " 7, 0 ", "9", "0,0", "0,1,2,3,4,5,6,7", "first"])
def test_layers_are_typed(shared: Jobs, finished: Finished, spec: RunSpec, typed: str) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, remove="2")
    page.text_input[0].set_value(typed).run()
    right = typed in ("0,7", " 7, 0 ")
    assert page.query_params["remove"] == ("0,7" if right else "2") and bool(page.error) != right


def steps(costs: list[float | None]) -> dict[int, Step]:
    return {count: Step(tuple(range(count)), cost) for count, cost in enumerate(costs, 1)}


@pytest.mark.parametrize(
    ("costs", "count"),
    [
        ([10.5, 11, 12, 20], 3),  # the largest within a fifth of 10
        ([10.5, 13, 11.9, 20], 3),  # though a smaller one is worse
        ([12.1, 13, 14, 80, 800], 3),  # none: where the curve bends
        ([20, 40, 80], 1),  # none, and nothing bends
        ([None, None], 1),  # nothing is known yet
    ],
)
def test_a_page_opens_on_what_is_still_good(costs: list[float | None], count: int) -> None:
    result = replace(shipped.example().result, dense_perplexity=10.0)
    assert usual(result, steps(costs)) == tuple(range(count))


def test_wrong_layers_in_the_address_are_named(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, remove="99")
    assert "There is no player 99" in said(page) and "There is no player 99" in said(page.run())
    page.select_slider[0].set_value(3).run()
    assert "There is no player" not in said(page) and page.query_params["remove"].count(",") == 2
    assert open_page("preview", run=run, remove="2,5").select_slider[0].value == 2
    assert open_page("preview", run=run, remove="").select_slider[0].value == 0


def test_number_of_layers_in_the_address(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    result = queries.find_run(shared.database, run).result
    assert result is not None
    page = open_page("preview", run=run, k="3")
    assert page.query_params["remove"] == ",".join(map(str, least_contributing(result.overall, 3)))
    assert page.select_slider[0].value == 3 and "k" not in page.query_params
    page = open_page("preview", run=run, k="5")
    assert "There is no set of k=5 layers" in said(page) and "There are: 0, 1, 2, 3, 4." in said(page)
    assert page.query_params["k"] == "5"
    page = open_page("export", run=run, k="5")
    assert "There is no set of k=5 layers" in said(page) and not page.button, "nothing is offered in its place"
    assert open_page("preview", run=run, k="0").select_slider[0].value == 0


@pytest.mark.parametrize("how", COMPENSATIONS[1:])
def test_the_best_set_after_compensation(how: str, shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, tab="search")
    assert not [found for found in page.button if "Find the best" in found.label], "there is no search yet"
    button(page, "Search").click().run()
    search = shared.newest("select", run)
    wait(lambda: not search.active)
    plans = queries.find_selection(shared.database, run).plans
    page = open_page("preview", run=run, tab="search", remove=",".join(map(str, plans[1].removed)))
    box(page, "Compensation").set_value(how).run()
    button(page, f"Find the best 2 after {how}").click().run()
    job = shared.newest("compensate", run)
    wait(lambda: not job.active)
    assert job.status == "finished", job.message
    page = open_page("preview", run=run, tab="search", remove=",".join(map(str, plans[1].removed)))
    table = next(frame.value for frame in page.dataframe if f"after {how}" in frame.value)
    known = Store(shared.database).compensated(
        run, (), how, queries.find_selection(shared.database, run).protocol.tokens
    )
    assert known is not None and len(known.judged) == len(table) == 3
    assert list(table[f"after {how}"]) == sorted(plan.perplexity for plan in known.judged)
    assert f"After {how}:" in said(page), "of the set on show, which is one of them"
    lines = json.loads(page.get("plotly_chart")[0].proto.spec)["data"]
    [drawn] = [line for line in lines if line["name"] == f"best after {how}"]
    whole = queries.find_run(shared.database, run).result.dense_perplexity
    dense = queries.find_selection(shared.database, run).dense_perplexity
    assert drawn["y"] == [pytest.approx(known.best()[0].perplexity * whole / dense)]


def test_search_comparison_continuation_and_speed(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, tab="search")
    button(page, "Search").click().run()
    search = shared.newest("select", run)
    assert search is not None
    wait(lambda: not search.active)
    assert search.status == "finished", search.message
    page = open_page("preview", run=run)
    plans = queries.find_selection(shared.database, run).plans
    page.select_slider[0].set_value(2).run()
    assert page.query_params["remove"] == ",".join(map(str, plans[1].removed))
    button(page, "Let both go on").click().run()
    job = page.session_state["job-continue"]
    wait(lambda: not job.active)
    assert job.status == "finished", job.message
    page.run()
    assert any(job.writing.pruned in element.value for element in page.text)
    button(page, "Judge its writing").click().run()
    judged = page.session_state["job-behave"]
    wait(lambda: not judged.active)
    assert judged.status == "finished", judged.message
    page.run()
    found = judged.behaviour
    [verdict] = [element for element in page.markdown if "of 20 texts end in a loop" in element.value]
    assert f"same likeliest token {found.predicts.agreement.top1.value:.0%}" in verdict.value
    assert f"distinct-2 {found.pruned.distinct2:.2f}" in verdict.help
    told = [element.value for element in page.markdown if element.value.startswith("*The pruned one:*")]
    assert len(told) == 20 and any("**" in text for text in told), "what the whole model does not write is marked"
    shown = re.sub(r"[\W_]", "", told[3].removeprefix("*The pruned one:*"))
    assert shown == re.sub(r"[\W_]", "", found.pruned.texts[3])
    again = open_page("preview", run=run, tab="writes", remove=",".join(map(str, plans[1].removed)))
    assert any("of 20 texts end in a loop" in element.value for element in again.markdown), "it is not judged twice"
    frames = [frame.value for frame in open_page("preview", run=run, tab="plans").dataframe]
    table = next(frame for frame in frames if "writing" in frame)
    assert list(table["writing"])[:3] == ["", found.pruned.verdict, ""]
    button(page, "Measure the speed").click().run()
    timed = page.session_state["job-time"]
    wait(lambda: not timed.active)
    page.run()
    assert "times as fast" in said(page) and "decode" in said(page)
    caption = next(element for element in page.caption if "times as fast" in element.value)
    assert "Peak memory: " in caption.help and timed.timed.speed.protocol.tokens == 16
    page = open_page("preview", run=run, tab="rivals")
    methods = next(element for element in page.multiselect if element.label == "Methods")
    methods.set_value(["quorum", "shortgpt"]).run()
    button(page, "Compare").click().run()
    comparison = shared.newest("compare", run)
    assert comparison is not None
    wait(lambda: not comparison.active)
    assert comparison.status == "finished", comparison.message
    page = open_page("preview", run=run, tab="rivals")
    shown = next(frame.value for frame in page.dataframe if "method" in frame.value)
    assert list(shown["method"]) == ["quorum", "shortgpt"]


def test_two_removals_side_by_side(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    """What is said of them is what numpy says of the losses that a plain measurement finds."""
    [run] = finished(spec)
    page = open_page("preview", run=run, remove="1,2", tab="beside", beside="2,5")
    if "job-preview" in page.session_state:
        measured(page)
    if any(element.label.startswith("Measure the one") for element in page.button):
        button(page, "Measure the one that is not").click().run()
        [job] = page.session_state["jobs-beside"][1]
        wait(lambda: not job.active)
        assert job.status == "finished", job.message
    stored = queries.find_run(shared.database, run)
    assert stored.result is not None
    page = open_page("preview", run=run, remove="1,2", tab="beside", beside="2,5")
    masks = [encode(without(8, gone)) for gone in ((1, 2), (2, 5))]
    found = evaluations.losses(shared.database, stored.game, masks)
    strips = [element.proto.body for element in page.get("html") if "other" in element.proto.body]
    assert len(strips) == 1 and "on show" in strips[0], "both, one above the other"
    rises = found[masks[0]] - found[masks[1]]
    mean, error = rises.mean(), np.std(rises, ddof=1) / np.sqrt(len(rises))
    assert f"On show loses **{significant(mean, '+')} ± {significant(error)}** nats a token more" in said(page)
    [table] = [frame.value for frame in page.dataframe if "sequence" in frame.value]
    np.testing.assert_array_equal(table.iloc[:, 1:], np.stack([found[mask] for mask in masks], axis=1))
    button(page, "Let both write").click().run()
    asked = page.session_state["jobs-both"][1]
    wait(lambda: not any(job.active for job in asked))
    assert [job.status for job in asked] == ["finished", "finished"] and [job.removed for job in asked] == [
        (1, 2),
        (2, 5),
    ]
    page.run()
    shown = marked(*(job.writing.pruned.split() for job in asked))
    assert all(text in said(page) for text in shown)
    assert page.query_params["beside"] == "2,5"
    labelled(page.text_input, "Beside it, without").set_value("nine").run()
    assert "There is no" in said(page) and page.query_params["beside"] == "nine"
    button(page, "Ranking").click().run()
    assert page.query_params["beside"] == ",".join(map(str, least_contributing(stored.result.overall, 2)))


def test_what_two_texts_do_not_share_is_bold() -> None:
    assert marked(["a", "b", "c"], ["a", "x", "c", "d"]) == ("a **b** c", "a **x** c **d**")
    assert marked(["<b>", "1."], []) == ("**`<b>` 1.**", "")


def test_more_layers_than_the_slider_reaches(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, remove="0,1,2,3,4")
    assert page.select_slider[0].value == 4 and len(strip(page).value) == 3
    strip(page).set_value([]).run()
    assert not page.exception and page.query_params["remove"] == "0,1,2,3,4", "the last layer stays"


def test_one_session_on_several_pages(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run)
    for other in ("interactions", "contributions", "preview", "export"):
        page.switch_page(f"../../pages/{other}.py").run()
        assert not page.exception, page.exception


def test_removal_stays_with_its_run(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    first, second = finished(spec, replace(spec, seed=1))
    page = open_page("preview", run=first, remove="0,7")
    box(page, "Run").set_value(second).run()
    assert page.query_params["run"] == second and page.query_params["remove"] != "0,7"


def test_all_that_the_curve_shows_is_a_table(shared: Jobs) -> None:
    shipped.load_into(shared.database)
    page = open_page("preview", run=shipped.example().result.run, tab="plans")
    [table] = [frame.value for frame in page.dataframe if "chosen by" in frame.value]
    drawn = json.loads(page.get("plotly_chart")[0].proto.spec)["data"]
    lines = {trace["name"]: trace["customdata"] for trace in drawn if trace.get("customdata")}
    assert len(lines) > 2
    known = {
        (name, removed.replace(" ", "")) for name, removed in zip(table["chosen by"], table["layers"], strict=True)
    }
    for name, points in lines.items():
        by = {"the paper's ranking": "least contribution first"}.get(name, name)
        assert {(by, removed) for removed, _ in points} <= known, name
