"""Every page in its empty, running, finished, cancelled and failed states, by Streamlit's own test driver."""

from pathlib import Path

import pytest

from app.digits import perplexity, significant
from app.worker import client
from app.worker.client import Jobs
from cache import evaluations, queries
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.jobs import finish, wait
from tests.support.pages import button, links, looked_at, open_page, said


def test_nothing_starts_by_itself(shared: Jobs) -> None:
    app = open_page()
    assert shared.newest() is None and not queries.runs(shared.database)
    assert button(app, "Start run") and "301 coalitions" in said(app)
    assert "No run has contributions yet" in said(open_page("contributions"))


def test_finished_run_is_shown_on_both_pages(shared: Jobs, spec: RunSpec) -> None:
    run = finish(shared, spec)
    app = open_page()
    assert f"Run {run} is finished" in said(app)
    assert app.dataframe[0].value.loc[0, "run"] == run
    page = open_page("contributions")
    result = queries.find_run(shared.database, run).result
    assert result is not None
    assert f"Dense perplexity {perplexity(result.dense_perplexity)} (measured)" in said(page) and str(
        result.protocol
    ) in said(page)
    shown = page.dataframe[0].value
    assert sorted(shown["layer"]) == list(range(8)) and shown["contribution"].is_monotonic_increasing
    assert f"**unseen** coalitions is {significant(result.surrogate.r2)}" in said(page)
    assert len(page.get("page_link")) == 1
    assert len(page.get("plotly_chart")) == 2


def test_unknown_run_in_the_address_is_named(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("contributions", run="nonesuch")
    assert "There is no run nonesuch" in said(page)
    assert [(run in label, query) for label, query in links(page)] == [(True, f"run={run}")]


def test_running_run_has_progress_and_a_button(shared: Jobs, spec: RunSpec) -> None:
    job = shared.submit(RunSpec(**{**vars(spec), "sequences": 250, "window": 128, "masks": 100}))
    wait(lambda: job.progress is not None and job.progress.done > 5)
    app = open_page()
    assert {metric.label for metric in app.metric} >= {"Coalitions a minute", "Time left", "From the cache"}
    assert "Best perplexity so far (measured)" in said(app)
    button(app, "Cancel").click().run()
    wait(lambda: not job.active)
    app = open_page()
    assert "Everything measured is kept" in said(app)
    button(app, "Resume").click().run()
    resumed = shared.newest()
    assert resumed is not None and resumed is not job and resumed.spec == job.spec
    shared.cancel(resumed)


def test_failed_run_says_what_to_do(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    finished(spec)
    job = shared.submit(RunSpec(**{**vars(spec), "model": "/nowhere/at/all"}))
    wait(lambda: not job.active)
    assert "There is no model /nowhere/at/all" in said(open_page())


def test_form_starts_a_run_and_refuses_nonsense(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    finished(spec)
    app = open_page()
    app.selectbox(key="model").set_value(spec.model)
    app.number_input[0].set_value(51)
    app.number_input[1].set_value(4)
    app.number_input[2].set_value(16)
    looked_at(app)
    button(app, "Start run").click().run()
    job = shared.newest()
    assert job is not None and (job.spec.masks, job.spec.window) == (51, 16)
    wait(lambda: not job.active)
    assert job.status == "finished", job.message
    app = open_page()
    next(field for field in app.text_input if field.label == "Strata").set_value("many")
    button(app, "Start run").click().run()
    assert not app.exception and "no list of numbers" in said(app)


def test_measuring_without_layers(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    finished(spec)
    page = open_page("contributions")
    page.multiselect[0].set_value([1, 3]).run()
    button(page, "Measure").click().run()
    job = page.session_state["job-what-if"]
    wait(lambda: not job.active)
    page.run()
    shown = {metric.label: metric.value for metric in page.metric}
    assert float(shown["Perplexity without layers 1, 3 (measured)"]) == pytest.approx(job.measured.perplexity, rel=5e-3)


def test_interactions_and_the_four_worths_behind_a_pair(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("interactions", run=run)
    result = queries.find_run(shared.database, run).result
    assert result is not None and result.interactions is not None
    assert len(page.dataframe[0].value) == len(result.interactions.pairs)
    strongest = result.interactions.pairs[0]
    assert f"layers {strongest.first} and {strongest.second}" in said(page)
    button(page, "Measure the four perplexities").click().run()
    _, asked = page.session_state["jobs-pair"]
    wait(lambda: not any(job.active for job in asked))
    page.run()
    shown = {metric.label: float(metric.value) for metric in page.metric}
    assert shown["Whole model (measured)"] == pytest.approx(result.dense_perplexity, rel=5e-3)
    one, other = strongest.first, strongest.second
    behind = {f"Without {layers} (measured)" for layers in (one, other, f"{one} and {other}")}
    assert behind <= shown.keys() and "Measured interaction" in said(page)


def test_interactions_wait_for_the_end_of_a_run(shared: Jobs, spec: RunSpec) -> None:
    job = shared.submit(RunSpec(**{**vars(spec), "sequences": 250, "window": 128, "masks": 100}))
    wait(lambda: job.result is not None)
    shared.cancel(job)
    wait(lambda: not job.active)
    assert "at the end of a run" in said(open_page("interactions"))


def test_deleting_a_run_keeps_its_evaluations(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    finished(spec)
    before = evaluations.count_evaluations(shared.database)
    app = open_page()
    button(app, "Delete").click().run()
    assert not queries.runs(shared.database) and evaluations.count_evaluations(shared.database) == before > 50


def test_unusable_results_file_is_said_in_words(cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_file.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("QUORUM_CACHE", str(cache_file))
    client.shared.cache_clear()
    app = open_page()
    assert "corrupt" in said(app) and "`--cache` FILE" in said(app)
