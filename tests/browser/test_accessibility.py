"""On every page axe-core, which looks for what keeps people out, finds nothing in either theme, and Tab reaches all."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.browser import MOST_TABS, VIEWPORT, Server, expand, settle, sights, tab_to, unfold

# Streamlit's own: its field for files has the role of an ornament and a label. It takes no focus; its button does.
STREAMLITS = ("presentation-role-conflict", "stFileUploaderDropzone")
# Judged is what a page looks like when it stands still: Streamlit fades in the ends of a slider under the pointer, and
# fades what a busy machine takes long to draw anew.
STILL = """* { transition: none !important }
[data-stale=true], details:has([data-stale=true]) summary * { opacity: 1 !important }"""


def violations(page: Page) -> list[str]:
    """The rules that a page breaks, each with where and how."""
    page.add_style_tag(content=STILL)
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['impact']} {rule['id']} at {node['target']}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
        if not (rule["id"] == STREAMLITS[0] and STREAMLITS[1] in node["html"])
    ]


# What a mouse can use; of a field with steppers the field alone, since arrows do what they do.
CONTROLS = "a[href], button, input, textarea, summary, canvas, [role=slider], [role=combobox]"
FIRST = "[data-testid=stSkipToContent]"
# Numbers the controls that take part in the order of Tab, and tells what they are. Of a row of choices it is the first:
# arrows lead to the others.
MARK = """nodes => Object.fromEntries(nodes
    .filter(node => node.checkVisibility({visibilityProperty: true}) && !node.disabled && node.tabIndex >= 0)
    .filter(node => [null, node].includes(
        node.closest("[role=toolbar], [role=radiogroup]")?.querySelector("button") ?? null))
    .map((node, index) => { node.dataset.mark = `${index}`; return [`${index}`, node.outerHTML.slice(0, 200)]; }))"""
FOCUS = "document.activeElement.outerHTML.slice(0, 400)"
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


def once_around(page: Page) -> list[str]:
    """Which controls Tab misses on its way from the first one back to it; says so if it does not come back."""
    settle(page)
    controls = page.locator("[data-testid=stMain]").locator(CONTROLS).evaluate_all(MARK)
    assert controls
    tab_to(page, page.locator(FIRST))
    reached = set()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        now = page.evaluate("document.activeElement.dataset")
        if now.get("testid") == "stSkipToContent":  # the first of all
            return [what for mark, what in controls.items() if mark not in reached]
        reached.add(now.get("mark"))
    raise AssertionError(f"{page.url}: Tab does not come round, and is at {page.evaluate(FOCUS)}")


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_no_page_keeps_anybody_out(dashboard: Server, page: Page) -> None:
    """Whatever can be opened is open. One walk for axe-core and for Tab, whose order has no theme: in light alone."""
    page.goto(dashboard.address)
    light = page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")
    found, missed, contrasts = {}, {}, []
    for name in sights(page):
        expand(page)
        if light:
            missed[name] = once_around(page)
        unfold(page)
        found[name] = violations(page)
        contrasts += page.evaluate(CONTRASTS)
        page.set_viewport_size(VIEWPORT)
    assert bool(missed) == light and not any(missed.values()), missed
    assert not any(found.values()), "\n".join(f"{name}: {fault}" for name, faults in found.items() for fault in faults)
    assert min(contrasts) >= 4.5


def test_a_fault_is_found(page: Page) -> None:
    page.set_content("<h1>A picture</h1><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><p>of nothing</p>")
    assert any("image-alt" in fault for fault in violations(page))
    page.set_content("<details><summary><p style='opacity: .3'>An expander</p></summary>What it holds</details>")
    assert any("color-contrast" in fault for fault in violations(page))
