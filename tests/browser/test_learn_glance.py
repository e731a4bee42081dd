"""The pages Learn and Interactions on a laptop, with the example: at a glance, and Learn as it is shown to a room."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Server, settle

SCREEN = {"width": 1366, "height": 768}
SCREENS, WORDS = 2.5, 250
STEPS = ("teams", "orders", "axioms", "sampling", "surrogate", "strata")
MAIN, BLOCK = "[data-testid=stMain]", "[data-testid=stMainBlockContainer]"
# The picture of a step and the sentence about it; the matrix of Interactions and the panel of a pair.
SIGHTS = {
    **{f"learn?step={name}": (f"{MAIN} .main-svg >> nth=0", "text=What to look for.") for name in STEPS},
    "interactions": (".st-key-matrix .main-svg >> nth=0", "text=Estimated interaction of layers"),
}
WAYS = (".st-key-step-back", ".st-key-step-on", ".st-key-present")
# Over the buttons that Plotly shows with the mouse on a chart, no part of its legend, and no scale of another chart.
COVERED = """() => [...document.querySelectorAll("[data-testid=stPlotlyChart]")].filter((chart) => {
    const bar = chart.querySelector(".modebar").getBoundingClientRect();
    return [...chart.querySelectorAll(".legend .traces, .colorbar")].some((part) => {
        const box = part.getBoundingClientRect(), beside = box.right <= bar.left || box.left >= bar.right;
        return box.width && !beside && box.top < bar.bottom && box.bottom > bar.top;
    });
}).map((chart) => chart.innerText)"""


@pytest.fixture
def laptop(page: Page) -> Page:
    page.set_viewport_size(SCREEN)
    return page


def open_page(page: Page, server: Server, address: str) -> None:
    page.goto(f"{server.address}/{address}")
    settle(page)


def top(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"]


def on_screen(page: Page, address: str) -> None:
    """The picture and its sentence are on the screen now, all of them."""
    for what in SIGHTS[address]:
        expect(page.locator(what)).to_be_in_viewport(ratio=0.99)


# No theme moves anything: each is seen once.
@pytest.mark.parametrize("page", ["dark"], indirect=True)
def test_a_page_is_taken_in_at_a_glance(example: Server, laptop: Page) -> None:
    for address in SIGHTS:
        open_page(laptop, example, address)
        height = laptop.locator(BLOCK).evaluate("block => block.scrollHeight")
        words = laptop.locator(MAIN).evaluate("main => main.innerText.split(/\\s+/).filter(Boolean)")
        assert height <= SCREENS * SCREEN["height"], (address, height)
        assert len(words) <= WORDS, (address, len(words), words)
        on_screen(laptop, address)
        assert laptop.evaluate(COVERED) == [], address


def test_the_bar_stays_where_it_is(example: Server, laptop: Page) -> None:
    """From step to step, whatever each holds; and however far one has scrolled. A step begins at its top."""
    open_page(laptop, example, "learn")
    before = [top(laptop.locator(way)) for way in WAYS]
    heading = laptop.locator(f"{MAIN} h2").first
    for number in range(2, len(STEPS) + 1):
        laptop.locator(MAIN).evaluate("main => main.scrollTo(0, main.scrollHeight)")
        assert [top(laptop.locator(way)) for way in WAYS] == before
        laptop.get_by_role("button", name="Next").click()
        expect(heading).to_have_text(re.compile(rf"^{number}\."))
        settle(laptop)
        assert [top(laptop.locator(way)) for way in WAYS] == before
        on_screen(laptop, f"learn?step={STEPS[number - 1]}")
    expect(laptop.get_by_role("button", name="Next")).to_be_disabled()


def test_shown_to_a_room(example: Server, laptop: Page) -> None:
    """No sidebar, larger letters, the arrows and a clicker go from step to step, Escape or a button ends it."""
    open_page(laptop, example, "learn")
    sidebar, heading = laptop.locator("[data-testid=stSidebar]"), laptop.locator(f"{MAIN} h2").first
    sizes = "() => [`MAIN h2`, `MAIN p`, `.xtick text, text.nums`].map((part) => document.querySelector(part))"
    sizes = f"{sizes.replace('MAIN', MAIN)}.map((part) => parseFloat(getComputedStyle(part).fontSize))"
    open_page(laptop, example, "learn?step=surrogate")
    small = laptop.evaluate(sizes)
    laptop.get_by_role("button", name="Present").click()
    expect(sidebar).to_be_hidden()
    laptop.wait_for_url(re.compile("present=1"))
    settle(laptop)
    laptop.wait_for_function(f"small => ({sizes})().every((size, part) => size > 1.2 * small[part])", arg=small)
    ways = (("ArrowRight", 6), ("ArrowRight", 6), ("ArrowLeft", 5), ("PageUp", 4), ("PageDown", 5), ("PageUp", 4))
    for key, number in ways:
        laptop.keyboard.press(key)
        expect(heading).to_have_text(re.compile(rf"^{number}\."))
        settle(laptop)
        on_screen(laptop, f"learn?step={STEPS[number - 1]}")
    slider = laptop.get_by_role("slider", name="Orders sampled")
    slider.press("ArrowRight")  # is the slider's own
    # What was chosen has been drawn: Streamlit drops what a button asks for where a slider's answer comes between.
    expect(laptop.get_by_role("figure", name=re.compile("after 50;"))).to_be_visible()
    settle(laptop)
    expect(heading).to_have_text(re.compile(r"^4\."))
    laptop.keyboard.press("Escape")
    expect(sidebar).to_be_visible()
    laptop.wait_for_url(lambda url: "present" not in url and "step=sampling" in url)
    settle(laptop)
    laptop.evaluate("document.activeElement.blur()")
    laptop.keyboard.press("ArrowRight")
    settle(laptop)
    expect(heading).to_have_text(re.compile(r"^4\."))
    open_page(laptop, example, "learn?step=teams&present=1")
    expect(sidebar).to_be_hidden()
    expect(heading).to_have_text(re.compile(r"^1\."))
    laptop.get_by_role("button", name="Leave").click()
    expect(sidebar).to_be_visible()
