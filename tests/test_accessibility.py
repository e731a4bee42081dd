"""axe-core, which looks for what keeps people out, finds nothing on any page in either theme."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser import Server, expand, names, unfold, visit


def violations(page: Page) -> list[str]:
    """The rules that a page breaks, each with where and how."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['impact']} {rule['id']} at {node['target']}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_no_page_keeps_anybody_out(dashboard: Server, page: Page) -> None:
    page.goto(dashboard.address)
    found = {}
    for name in names(page):
        visit(page, name)
        expand(page)
        unfold(page)
        found[name] = violations(page)
    assert not any(found.values()), found
    assert len(found) > 2


def test_a_fault_is_found(page: Page) -> None:
    page.set_content("<h1>A picture</h1><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><p>of nothing</p>")
    assert any("image-alt" in fault for fault in violations(page))
