"""Addresses that name runs which there are not: the page says so and ends, and applies nothing of it to another run."""

import pytest

from app.worker.client import Jobs
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.pages import box, links, open_page, said

PAGES = ("runs", "contributions", "interactions", "surrogate", "preview", "export", "learn")
WRONG = {
    "nope": "There is no run nope here.",
    "": "The address names a run, and says none.",
    " ": "The address names a run, and says none.",
    "<b>x</b>": "There is no run `<b>x</b>` here.",
    "9" * 5000: f"There is no run {'9' * 60}… here.",
}
OF_ANOTHER = {"remove": "1", "k": "2", "refit": "51", "layer": "3", "pair": "1-2", "compare": "nope", "worth": "loss"}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_the_address_is_applied(shared: Jobs, finished: Finished, spec: RunSpec, page: str) -> None:
    [run] = finished(spec)
    # Two names that are nearly the run's: in capitals, and its beginning alone. One place tells them, before any page:
    # the page that an address asks the most of is given all names, the others one that is none and one that nearly is.
    wrongs = [*WRONG, f"{run}a".upper(), run[:4]]
    for wrong in wrongs if page == "preview" else (wrongs[0], wrongs[-1]):
        message = WRONG.get(wrong, f"There is no run {wrong} here.")
        app = open_page(page, run=wrong, **OF_ANOTHER)
        assert message in said(app) and len(app.error) == 1
        assert links(app) and all(query == f"run={run}" for _, query in links(app))
        assert not app.main.get("plotly_chart") and not app.main.button and not app.main.selectbox
        assert box(app, "Run").value is None and app.query_params["run"] == wrong, "it stays in the address"
    box(app, "Run").set_value(run).run()
    assert not app.error and app.query_params["run"] == run
    kept = {name: app.query_params[name] for name in OF_ANOTHER.keys() & app.query_params.keys()}
    assert kept.keys() <= {"remove"} and kept.get("remove") != OF_ANOTHER["remove"], "what a page itself switches off"


@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_compared_with_an_unknown_run(shared: Jobs, finished: Finished, spec: RunSpec, wrong: str) -> None:
    [run] = finished(spec)
    app = open_page(run=run, compare=wrong)
    assert WRONG[wrong] in said(app) and not app.main.button
    assert [query for _, query in links(app)] == [f"run={run}"]
    assert not open_page("contributions", run=run, compare=wrong).error, "only the page Runs compares"


def test_where_there_is_no_run_at_all(shared: Jobs) -> None:
    app = open_page("export", run="nope", remove="1")
    assert "There is no run nope here." in said(app)
    assert [label for label, _ in links(app)] == ["Start the first run"]
