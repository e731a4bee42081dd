"""axe-core, which looks for what keeps people out, finds nothing on any page in either theme."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.browser import Server, expand, sights, unfold

# Streamlit's own: its field for files has the role of an ornament and a label. It takes no focus; its button does.
STREAMLITS = ("presentation-role-conflict", "stFileUploaderDropzone")


def violations(page: Page) -> list[str]:
    """The rules that a page breaks, each with where and how."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['impact']} {rule['id']} at {node['target']}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
        if not (rule["id"] == STREAMLITS[0] and STREAMLITS[1] in node["html"])
    ]


# Contrast of every text of a chart with what is behind it, the page or a box of its own (WCAG 2.2, 1.4.3): axe-core
# leaves out drawings.
CONTRASTS = """() => {
    const light = (colour) => {
        const [red, green, blue] = colour.match(/[\\d.]+/g).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const page = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor;
    return [...document.querySelectorAll(".main-svg text")].map((text) => {
        const box = text.previousElementSibling?.matches(".bg") && getComputedStyle(text.previousElementSibling);
        const paper = light(box && Number(box.fillOpacity) ? box.fill : page);
        const ink = light(getComputedStyle(text).fill);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    });
}"""


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_no_page_keeps_anybody_out(dashboard: Server, page: Page) -> None:
    page.goto(dashboard.address)
    found, contrasts = {}, []
    for name in sights(page):
        expand(page)
        unfold(page)
        found[name] = violations(page)
        contrasts += page.evaluate(CONTRASTS)
    assert not any(found.values()), found
    assert min(contrasts) >= 4.5


def test_a_fault_is_found(page: Page) -> None:
    page.set_content("<h1>A picture</h1><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><p>of nothing</p>")
    assert any("image-alt" in fault for fault in violations(page))
