"""A task is asked from the page: by the process that computes, with the numbers of the command line."""

from dataclasses import replace
from pathlib import Path

from app.contributions.tasks.task_form import _cost
from app.worker.client import Jobs
from cache import queries
from cache.behaviour import task_needs
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import box, button, open_page, said


def test_a_task_with_a_folder_is_asked_and_shown(
    cli: Cli, shared: Jobs, finished: Finished, spec: RunSpec, copa: Path, tmp_path: Path
) -> None:
    [run] = finished(spec)
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    assert "No task has been asked yet" in said(page) and "answers at most" in said(page)
    box(page, "Task").set_value("copa").run()
    page.text_input(key="task-data").set_value(str(copa / "nowhere"))
    page.run()
    button(page, "Ask").click().run()
    assert "There is no folder" in said(page) and shared.newest("needs", run) is None
    page.text_input(key="task-data").set_value(str(copa))
    page.number_input(key="task-items").set_value(5)
    page.run()
    button(page, "Ask").click().run()
    asked = shared.newest("needs", run)
    wait(lambda: not asked.active)
    assert asked.status == "finished", asked.message
    [found] = task_needs.known(shared.database, run, 8)
    assert (found.task, found.items, found.answers, found.source) == ("copa", 5, "margin", "copa.jsonl")
    assert found.pairs is not None and not found.plans
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    assert "copa" in said(page) and any(one.label == "Ask" for one in page.button)
    status, shown, errors = cli("needs", run, "--tasks", "copa", "--data", copa, "--limit", 5, "--pairs")
    assert status == 0, errors
    assert [row["value"] for row in shown["tasks"][0]["values"]] == [item.value for item in found.values.values]


def test_sums_need_no_folder_and_a_task_that_nobody_knows_is_said(
    shared: Jobs, finished: Finished, spec: RunSpec
) -> None:
    [run] = finished(spec)
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    box(page, "Task").set_value("copa").run()
    page.text_input(key="task-data").set_value("/no/folder")
    page.run()
    box(page, "Task").set_value("sums").run()
    assert box(page, "Task").value == "sums" and page.text_input(key="task-data").disabled
    page.number_input(key="task-items").set_value(4)
    page.run()
    button(page, "Ask").click().run()
    asked = shared.newest("needs", run)
    wait(lambda: not asked.active)
    assert asked.status == "finished", asked.message
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    box(page, "Task").set_value("task_of_nobody").run()
    button(page, "Ask").click().run()
    other = shared.newest("needs", run)
    assert other is not asked
    wait(lambda: not other.active)
    assert other.status == "failed" and "task_of_nobody" in other.message
    assert "lm-eval knows no task task_of_nobody" in said(open_page("contributions", run=run, tab="tasks"))


def test_the_text_after_a_compensation_is_asked_and_shown(
    cli: Cli, shared: Jobs, finished: Finished, spec: RunSpec
) -> None:
    [run] = finished(spec)
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    box(page, "Task").set_value("scale").run()
    assert page.selectbox(key="task-answers").options == ["log score"] and "each of about" in said(page)
    next(field for field in page.number_input if field.label == "Coalitions").set_value(12)
    page.run()
    button(page, "Ask").click().run()
    asked = shared.newest("needs", run)
    wait(lambda: not asked.active)
    assert asked.status == "finished", asked.message
    [found] = task_needs.known(shared.database, run, 8)
    assert (found.task, found.answers, found.masks, found.items) == ("scale", "log_score", 12, spec.sequences)
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    assert "text after scale" in said(page)
    status, shown, errors = cli("needs", run, "--tasks", "scale", "--masks", 12, "--pairs")
    assert status == 0, errors
    assert [row["value"] for row in shown["tasks"][0]["values"]] == [item.value for item in found.values.values]
    for wrong, why in ((("--plans", "1"), "select --compensate scale"), (("--fit", "4"), "too few")):
        status, shown, _ = cli("needs", run, "--tasks", "scale", *wrong)
        assert status == 1 and why in str(shown["error"])
    status, shown, _ = cli("needs", run, "--tasks", "sums", "--limit", 4, "--fit", "9")
    assert status == 1 and "no compensation" in str(shown["error"])
    status, shown, _ = cli("tasks", run, "--tasks", "scale", "--remove", "1")
    assert status == 1 and "needs RUN --tasks scale" in str(shown["error"])


def test_the_cost_is_that_of_every_coalition_and_of_sets_for_plans(
    shared: Jobs, finished: Finished, spec: RunSpec
) -> None:
    [name] = finished(spec)
    run = queries.find_run(shared.database, name)
    assert run.result is not None
    paced = replace(run.result, masks=100, measured=101, cached=0, seconds=101.0 * run.resolved.sequences)
    assert _cost(run, paced, 10, 100, (), False).startswith("1,010 answers at most") and "16 min 50 s" in _cost(
        run, paced, 10, 100, (), False
    )
    assert _cost(run, paced, 10, 100, (1, 2), False).startswith("1,110 answers")
    assert "About" not in _cost(run, replace(paced, measured=3), 10, 100, (), False)
