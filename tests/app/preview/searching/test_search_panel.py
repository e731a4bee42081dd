"""The tab Search of the page Preview: what was chosen for a search is there again after it, and after other tabs."""

from streamlit.testing.v1 import AppTest

from app.worker.client import Jobs
from cache import queries
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import button, labelled, open_page


def budget(page: AppTest) -> object:
    return labelled(page.number_input, "Budget in units")


def stay(page: AppTest) -> object:
    return labelled(page.multiselect, "Layers that stay")


def earlier(page: AppTest) -> object:
    return labelled(page.checkbox, "Begin with what was measured on other texts")


def asked(page: AppTest) -> tuple[float, list[int], bool]:
    return budget(page).value, stay(page).value, earlier(page).value


def go(page: AppTest, tab: str) -> None:
    labelled(page.segmented_control, "Details").set_value(tab).run()


def test_what_was_asked_for_is_asked_again(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("preview", run=run, tab="search")
    assert asked(page) == (1.0, [], False)
    budget(page).set_value(0.5)
    stay(page).set_value([3])
    earlier(page).check().run()
    button(page, "Search").click().run()
    search = shared.newest("select", run)
    wait(lambda: not search.active)
    assert search.status == "finished", search.message
    assert queries.find_selection(shared.database, run).protected == (3,)
    page.run()
    assert asked(page) == (0.5, [3], True)
    go(page, "rivals")
    budget(page).set_value(2.0).run()
    go(page, "search")
    assert asked(page) == (0.5, [3], True)
    go(page, "rivals")
    assert budget(page).value == 2.0
