"""A run on the form that goes on to a task, as `run --worth` does: asked at its end, refused before its beginning."""

from dataclasses import replace
from pathlib import Path

from streamlit.testing.v1 import AppTest

from app.commands.behaviour.run_worth import VALUE
from app.worker.client import Jobs
from cache import evaluations, queries
from cache.behaviour import task_needs
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.jobs import wait
from tests.support.pages import box, button, open_page, said


def form(spec: RunSpec, task: str) -> AppTest:
    page = open_page()
    page.selectbox(key="model").set_value(spec.model)
    page.number_input(key="masks").set_value(spec.masks)
    page.number_input(key="sequences ").set_value(spec.sequences)
    page.number_input(key="window ").set_value(spec.window)
    box(page, "Then ask").set_value(task)
    return page.run()


def test_what_the_form_asks_for_is_what_the_command_finds(cli: Cli, shared: Jobs, spec: RunSpec, copa: Path) -> None:
    page = form(spec, "copa")
    page.number_input(key="then-items").set_value(5)
    page.text_input(key="then-data").set_value(str(copa / "nowhere"))
    page.run()
    assert "There is no folder" in said(page) and button(page, "Start run").disabled
    page.text_input(key="then-data").set_value(str(copa))
    page.run()
    assert f"**Then:** {5 * (spec.masks + 1)} answers about copa" in said(page)
    wait(lambda: not button(page.run(), "Start run").disabled)
    button(page, "Start run").click().run()
    run = shared.newest()
    assert run is not None and run.spec.masks == spec.masks
    wait(lambda: not run.active)
    assert run.status == "finished", run.message
    asked = shared.newest("needs", run.run)
    assert asked is not None, "asked as soon as the run has ended"
    wait(lambda: not asked.active)
    assert asked.status == "finished", asked.message
    stored = queries.find_run(shared.database, run.run)
    [found] = task_needs.known(shared.database, stored.run, 8)
    assert (found.task, found.items, found.answers, found.source) == ("copa", 5, "margin", "copa.jsonl")
    assert found.pairs is not None and found.values.kind == VALUE
    last = queries.last_selection(shared.database, stored.run)
    assert last is not None and len(found.plans) == len(last.plans), "for each of the search's, one of its own"
    same = replace(stored.spec, corpus=spec.corpus)
    told = ["--worth", "margin:copa", "--data", copa, "--limit", 5, "--masks", same.masks, "--window", same.window]
    status, shown, errors = cli("run", "--model", same.model, "--sequences", same.sequences, *told)
    assert status == 0, errors
    values = shown["needs"]["tasks"][0]["values"]
    assert [row["value"] for row in values] == [item.value for item in found.values.values]


def test_what_the_task_would_refuse_is_refused_before_anything_is_measured(
    shared: Jobs, spec: RunSpec, copa: Path
) -> None:
    page = form(spec, "agreement")
    assert box(page, "Worth").options == ["accuracy"]
    assert not [field for field in page.text_input if field.key == "then-data"], "it needs no data"
    box(page, "Then ask").set_value("nobodys_task")
    wait(lambda: not button(page.run(), "Start run").disabled)
    button(page, "Start run").click().run()
    run = shared.newest()
    assert run is not None
    wait(lambda: not run.active)
    assert run.status == "failed" and "knows no task nobodys_task" in run.message
    assert not evaluations.count_evaluations(shared.database) and shared.newest("needs") is None
    again = open_page()
    assert "knows no task nobodys_task" in said(again)
    button(again, "Resume").click().run()
    resumed = shared.newest()
    assert resumed is not None and resumed.asked == run.asked, "in the same words"


def test_nothing_is_asked_unless_somebody_wants_it(shared: Jobs, spec: RunSpec) -> None:
    page = form(spec, "")
    assert "**Then:**" not in said(page)
    wait(lambda: not button(page.run(), "Start run").disabled)
    button(page, "Start run").click().run()
    run = shared.newest()
    assert run is not None and "then" not in run.details
    shared.cancel(run)
