"""The page Preview as a person chooses on it: on one screen, by click and by drag, and back again."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import TITLE, Server, rest, settle, visit, visitor

# A ring at each stop of a line of the curve, drawn by Plotly.
POINTS = ".st-key-curve .scatterlayer .trace .points path.point"
# What one chooses by: all of it is on the first screen of a laptop and of a projector.
FIRST_SCREEN = {
    "curve": ".st-key-curve .main-svg >> nth=0",
    "slider": "[data-testid=stSlider] >> nth=0",
    "number": "[data-testid=stMetricValue] >> nth=0",
    "strip": "[data-testid=stButtonGroup] >> nth=0",
    "export": "a:has-text('Export these')",
}


def kept(page: Page) -> Locator:
    return page.locator("[class*=st-key-strip-] [aria-pressed=true]")


def patiently(act: Callable[[], None], page: Page, left: int) -> None:
    """Does it until so many layers are kept: what meets a page just being drawn anew is lost."""
    for _ in range(5):
        settle(page)
        act()
        with suppress(AssertionError):
            expect(kept(page)).to_have_count(left, timeout=10_000)
            return
    expect(kept(page)).to_have_count(left)


def click(page: Page, point: Locator) -> None:
    """On the middle of a point of a figure, over which the mouse has to come first."""
    box = point.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.wait_for_timeout(200)
    page.mouse.click(x, y)


def press_to(page: Page, count: int, pause: float = 0) -> None:
    """With the arrows of the slider: first to its beginning."""
    slider = page.get_by_role("slider", name=re.compile("Layers removed"))
    slider.press("Home")
    for _ in range(count):
        page.wait_for_timeout(pause)
        slider.press("ArrowRight")


def move_to(page: Page, count: int) -> None:
    patiently(partial(press_to, page, count), page, 8 - count)


def ends(page: Page, removed: Sequence[str]) -> bool:
    """Whether these layers, each a pattern, are removed in the end, by the address and by the strip."""
    page.wait_for_timeout(500)  # a choice that is taken back is so by then
    with suppress(AssertionError):
        expect(page).to_have_url(re.compile(f"remove={'(%2C|,)'.join(removed)}$"), timeout=10_000)
        settle(page)
        expect(kept(page)).to_have_count(8 - len(removed), timeout=10_000)
        return True
    return False


def open_preview(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/preview")
    rest(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_one_chooses_by_is_on_the_first_screen(dashboard: Server, browser: Browser, theme: str) -> None:
    with visitor(browser, theme) as page:
        for width, height in ((1366, 768), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            open_preview(page, dashboard)
            for name, what in FIRST_SCREEN.items():
                box = page.locator(what).bounding_box()
                assert box is not None and box["y"] >= 0 and box["x"] >= 0, name
                assert box["y"] + box["height"] <= height and box["x"] + box["width"] <= width, (name, width, box)


def test_a_telephone_scrolls_in_one_direction_only(dashboard: Server, browser: Browser) -> None:
    with visitor(browser) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        for path in ("", "preview", "export", "contributions"):
            page.goto(f"{dashboard.address}/{path}")
            rest(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
            assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth") <= 390, path


def test_a_point_of_the_curve_is_taken_by_a_click(dashboard: Server, page: Page) -> None:
    open_preview(page, dashboard)
    for place, count in ((2, 3), (0, 1)):
        patiently(partial(click, page, page.locator(POINTS).nth(place)), page, 8 - count)
        rest(page)


@pytest.mark.parametrize("pause", [0, 60])
def test_every_press_of_a_key_counts_however_soon_the_next_one_follows(
    dashboard: Server, page: Page, pause: float
) -> None:
    """But for one, at most: Streamlit drops a run seldom, where two threads have one session (`CROWDED`)."""
    open_preview(page, dashboard)
    right = 0
    for count in (4, 1, 3, 2, 4, 0, 3, 1, 4, 2):
        settle(page)
        press_to(page, count, pause)
        right += ends(page, [r"\d"] * count)
    assert right >= 9


def test_layers_clicked_in_quick_succession_all_go_and_come_back(dashboard: Server, page: Page) -> None:
    """But for one, as above, after which the next ones begin afresh."""
    open_preview(page, dashboard)
    right = 0
    for layers in ((1, 3, 5), (0, 2), (2, 4, 6, 7), (1, 7)):
        page.get_by_role("button", name=re.compile("Restore all")).click()
        assert ends(page, ())
        for gone in (layers, ()):
            for layer in layers:
                box = page.locator("[class*=st-key-strip-] [aria-pressed]").nth(layer).bounding_box()
                assert box is not None
                page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            right += ends(page, [str(layer) for layer in gone])
    assert right >= 7


@pytest.fixture
def walked(dashboard: Server, page: Page) -> Iterator[Page]:
    """A person who went from Runs to Preview, moved the slider five times, and went on to Export."""
    page.goto(dashboard.address)
    settle(page)
    visit(page, "Preview")
    rest(page)
    for count in (0, 1, 2, 4, 3):
        move_to(page, count)
    rest(page)
    visit(page, "Export")
    yield page


def test_a_page_is_one_entry_of_the_history(walked: Page) -> None:
    page, address = walked, walked.url
    title = page.locator(TITLE)
    removed = re.search(r"remove=([\d%C,]+)", address)
    assert removed is not None and len(re.split("%2C|,", removed[1])) == 3
    runs, preview, export = "Which layers does this model need?", "How many layers can go?", "Take the smaller model"
    for step, name in (("back", preview), ("back", runs), ("forward", preview), ("forward", export)):
        getattr(page, f"go_{step}")()
        expect(title).to_contain_text(name)
        rest(page)
        if name == preview:
            expect(kept(page)).to_have_count(5)
    assert page.url == address


def test_what_the_address_says_wins(walked: Page) -> None:
    page = walked
    for path in ("export", "preview"):
        address = re.sub(r"/\w+\?", f"/{path}?", re.sub(r"remove=[^&]+", "remove=6", page.url))
        page.goto(address)
        rest(page)
        assert page.url == address
    expect(kept(page)).to_have_count(7)
    visit(page, "Runs")
    visit(page, "Preview")  # by a link, which says nothing of it: the session knows
    expect(kept(page)).to_have_count(7)
