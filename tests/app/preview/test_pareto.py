"""The tab Pareto draws what is measured, by whichever two measures, and a click takes a plan."""

from pathlib import Path

import duckdb
import pytest

from app.example import shipped
from app.preview.pareto.measures import measures
from app.preview.pareto.pareto_figure import pareto
from app.worker.client import Jobs
from cache import queries
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import encode, without
from core.records.behaviour.speeds import GLANCE
from core.records.behaviour.task_scores import SUMS_OF_A_PLAN, Metric, TaskScore
from core.records.behaviour.traits import Traits, measured_by
from core.records.spec import RunSpec
from core.run.engine import Engine
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import box, button, open_page, said
from tests.support.stored import store_run


def score(value: float, items: int = 50) -> TaskScore:
    return TaskScore("piqa", "1", 0, "validation", items, "file", (Metric("acc", value, 0.07),))


def test_agreement_and_tasks_of_all_plans(shared: Jobs, finished: Finished, spec: RunSpec, copa: Path) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, tab="search")
    button(page, "Search").click().run()
    search = shared.newest("select", run)
    wait(lambda: not search.active)
    plans = queries.find_selection(shared.database, run).plans
    page = open_page("preview", run=run, tab="pareto", remove=",".join(map(str, plans[1].removed)))
    store, model = Store(shared.database), queries.find_run(shared.database, run).result.model
    every = [encode(without(len(model.players), plan.removed)) for plan in plans]
    assert all(len(traits.predicts) == 1 for traits in store.traits(model, every).values()), "with the search"
    assert "same likeliest token" in str(box(page, "Up").options)
    assert button(page, "Agreement of all plans").disabled and "All of it is known." in said(page)
    with shared.database.writing() as connection:  # as an earlier release's search has left it
        connection.execute("DELETE FROM traits WHERE kind = 'task'")
    page = open_page("preview", run=run, tab="pareto", remove=",".join(map(str, plans[1].removed)))
    assert f"{20 * (1 + len(plans))} small sums" in said(page)
    button(page, "Agreement of all plans").click().run()
    asked = shared.newest("agree", run)
    wait(lambda: not asked.active)
    assert asked.status == "finished", asked.message
    assert all(len(traits.predicts) == 1 for traits in store.traits(model, every).values()), "and not once more"
    masks = [encode(without(len(model.players), removed)) for removed in ((), plans[1].removed)]
    for mask, value in zip(masks, (0.7, 0.6), strict=True):
        store.record_traits(model, mask, score(value))

    page = open_page("preview", run=run, tab="pareto", remove=",".join(map(str, plans[1].removed)), up="agreement")
    assert box(page, "Up").value == "agreement" and box(page, "Across").value == "parameters"
    table = next(frame.value for frame in page.dataframe if "same likeliest token, %" in frame.value)
    known = table[table["chosen by"] == "best plans"]["same likeliest token, %"]
    assert known.notna().all() and len(known) == len(plans)
    sums = table[table["chosen by"].isin(["best plans", "whole model"])]["sums, acc, %"]
    assert sums.notna().all() and sums.between(0, 100).all(), "asked of the whole model, too"
    row = next(frame.value for frame in page.dataframe if "measure" in frame.value).set_index("measure")
    assert list(row.loc["piqa, acc, %"]) == ["70.0 ± 7.00", "60.0 ± 7.00"]
    unseen = store.traits(model, masks[1:])[masks[1]].predicts
    assert measured_by(next(iter(unseen.values()))) in said(page), "how it was measured"
    assert "writing" not in row.index, "nobody has judged it"

    assert "is known once a speed is measured" in said(page)
    asked = queries.find_run(shared.database, run).resolved  # in the dtype that the run had here
    timing = list(Engine(store).time(asked, plans[0].removed, GLANCE))
    assert timing
    box(page, "Task").set_value("copa").run()
    assert "extrapolated from the whole model's last pace" in said(page)
    page.text_input(key="plan-task-data").set_value(str(copa / "nowhere")).run()
    assert "There is no folder" in said(page)
    page.text_input(key="plan-task-data").set_value(str(copa))
    page.number_input(key="plan-task-items").set_value(5).run()
    assert "10 items, of both models" in said(page)
    button(page, "Accuracy of this one").click().run()
    asked = shared.newest("tasks", run)
    wait(lambda: not asked.active)
    assert asked.status == "finished", asked.message
    for found in store.traits(model, masks).values():
        [copied] = [one for one in found.task.values() if one.task == "copa"]
        assert (copied.items, copied.source) == (5, "copa.jsonl")


def test_an_address_that_asks_for_an_unknown_measure_is_told_so(
    shared: Jobs, finished: Finished, spec: RunSpec
) -> None:
    [run] = finished(spec)
    assert "There is no up beauty." in said(open_page("preview", run=run, tab="pareto", up="beauty"))


def test_a_measure_holds_figures_of_one_way_to_measure(finished: Finished, shared: Jobs, spec: RunSpec) -> None:
    """Of two ways never a mixture: that which most plans were measured in, and the other one by its items."""
    [run] = finished(spec)
    result = queries.find_run(shared.database, run).result
    assert result is not None
    known = {
        (): Traits(task={"few": score(0.9, 20), "many": score(0.8)}),
        (1,): Traits(task={"few": score(0.5, 20)}),
        (2,): Traits(task={"few": score(0.4, 20), "many": score(0.3)}),
    }
    found = measures(result, {(): 10.0, (1,): 11.0, (2,): 12.0}, known)
    assert found["piqa-acc"].values == pytest.approx({(): 90.0, (1,): 50.0, (2,): 40.0})
    assert found["piqa-acc"].title == "piqa, acc, %"
    assert found["piqa-acc-50-0-"].values == pytest.approx({(): 80.0, (2,): 30.0})
    assert found["piqa-acc-50-0-"].title == "piqa, acc, 50 items, 0-shot, %"
    chart = pareto(result.model.players, found["parameters"], found["piqa-acc"], {"best plans": [(1,), (2,)]}, (1,))
    front = chart.figure.data[0]
    assert len(front.x) == 2 and sorted(front.y) == pytest.approx([50.0, 90.0]), "(2,) is beaten by (1,) in both"
    points = next(trace for trace in chart.figure.data if trace.name == "best plans")
    assert [datum[0] for datum in points.customdata] == ["1", "2"]


def test_every_plan_of_the_example_that_ships_was_asked_what_needs_no_data(cache_file: Path) -> None:
    shipped.load_into(Database(cache_file))
    run = queries.find_run(Database(cache_file), "latest")
    plans = [plan.removed for plan in queries.find_selection(Database(cache_file), run.run).plans]
    masks = [encode(without(len(run.result.model.players), removed)) for removed in ((), *plans)]
    known = Store(Database(cache_file)).traits(run.result.model, masks)
    assert all([score.items for score in each.task.values()] == [SUMS_OF_A_PLAN] for each in known.values())
    assert [len(known[mask].predicts) for mask in masks] == [0, *(1 for _ in plans)] and len(plans) == 15


def test_a_run_of_which_nothing_but_the_whole_model_is_known(shared: Jobs, cache_file: Path) -> None:
    """Its ranking's sets are predicted, and there was no search."""
    run = store_run(Database(cache_file), count=40).run
    with duckdb.connect(cache_file) as connection:
        connection.execute("DELETE FROM evaluations WHERE length(replace(mask, '1', '')) BETWEEN 1 AND 4")
    page = open_page("preview", run=run, tab="pareto", remove="1,2,3,4")
    assert not page.exception and "Search for plans first" in said(page)
