"""Each page answers its question on the first screen of a laptop, is two and a half screens long, and has few words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import Server, rest, show, visitor

SCREEN = {"width": 1366, "height": 768}
HEIGHT, WORDS = 1920, 250  # pixels of a page, and words that are seen on it


@dataclass(frozen=True)
class Glance:
    """A page of the example, and what of it answers its question: all of that is on the first screen."""

    path: str
    first: tuple[str, ...]  # selectors


GLANCES = (
    Glance(
        "contributions",
        (
            "p:has-text('rank correlation with another run')",
            ".st-key-bars .main-svg >> nth=0",
            "[role=img][aria-label*='30 layers']",
        ),
    ),
    Glance(
        "interactions",
        (".st-key-matrix .main-svg >> nth=0", "p:has-text('Estimated interaction of layers')"),
    ),
    Glance(
        "surrogate",
        ("p:has-text('Audit:')", ".st-key-against .main-svg >> nth=0", ".st-key-coverage .main-svg >> nth=0"),
    ),
    Glance(
        "preview",
        (
            "[data-testid=stMetric]:has-text('Perplexity (measured)')",
            ".st-key-curve .main-svg >> nth=0",
            ".stSlider:has-text('Layers removed')",
            "[data-testid=stButtonGroup]:has-text('Layers, the bluer')",
            ".st-key-to-export",
        ),
    ),
    Glance(
        "export",
        (
            "[data-testid=stMetric]:has-text('Perplexity (measured)')",
            "[role=img][aria-label*='30 layers']",
            "[data-testid=stBaseButton-primary]:has-text('Export')",
        ),
    ),
)


@pytest.fixture(scope="module")
def laptop(browser: Browser) -> Iterator[Page]:
    with visitor(browser) as page:
        page.set_viewport_size(SCREEN)
        yield page


def opened(page: Page, server: Server, path: str) -> Page:
    page.goto(f"{server.address}/{path}")
    rest(page)
    return page


def details(page: Page) -> Locator:
    """The parts of a page of which one is on show at a time."""
    return page.get_by_role("radiogroup", name="Details").get_by_role("radio")


def height(page: Page) -> int:
    """Of all of the page, in pixels."""
    return int(page.get_by_test_id("stMainBlockContainer").evaluate("block => block.scrollHeight"))


def words(page: Page) -> list[str]:
    text: str = page.get_by_test_id("stMain").inner_text()
    return text.split()


@pytest.mark.parametrize("glance", GLANCES, ids=lambda glance: glance.path)
def test_a_page_at_a_glance(example: Server, laptop: Page, glance: Glance) -> None:
    page = opened(laptop, example, glance.path)
    for selector in glance.first:
        box = page.locator(selector).first.bounding_box()
        assert box is not None, selector
        assert box["y"] >= 0 and box["y"] + box["height"] <= SCREEN["height"], (selector, box)
        assert box["x"] >= 0 and box["x"] + box["width"] <= SCREEN["width"], (selector, box)
    assert height(page) <= HEIGHT
    assert len(words(page)) <= WORDS, words(page)


@pytest.mark.parametrize("glance", [each for each in GLANCES if each.path != "export"], ids=lambda glance: glance.path)
def test_every_part_of_a_page_is_short_enough_and_has_an_address(example: Server, laptop: Page, glance: Glance) -> None:
    page = opened(laptop, example, glance.path)
    parts = details(page)
    for place in range(1, parts.count()):
        show(page, parts.nth(place))
        assert height(page) <= HEIGHT, parts.nth(place).inner_text()
        assert len(words(page)) <= WORDS, (parts.nth(place).inner_text(), words(page))
        assert "tab=" in page.url
    page.reload()
    rest(page)
    expect(parts.last).to_be_checked()


@pytest.mark.parametrize("glance", GLANCES, ids=lambda glance: glance.path)
def test_the_protocol_is_on_a_page_once(example: Server, laptop: Page, glance: Glance) -> None:
    page = opened(laptop, example, glance.path)
    protocol = re.compile(r"python-docs \(calibration\), 10 x 128 tokens, stride 128, no BOS, tokens 28b85ab9218e0fe4")
    expect(page.get_by_text(protocol)).to_have_count(0)
    page.get_by_role("button", name=re.compile("python-docs · 10 × 128 tokens")).click()
    expect(page.get_by_text(protocol)).to_have_count(1)
    expect(page.get_by_text(protocol)).to_be_visible()
    page.keyboard.press("Escape")


def test_the_whole_column_of_a_layer_takes_a_click(example: Server, laptop: Page) -> None:
    """Far above a low bar, and for a layer whose bar is hardly seen."""
    page = opened(laptop, example, "contributions?tab=ranks")
    column = page.locator(".st-key-bars .barlayer .trace").nth(1).locator("path")
    plot = page.locator(".st-key-bars .nsewdrag").bounding_box()
    assert plot is not None
    for layer in (3, 16):
        box = column.nth(layer).bounding_box()
        assert box is not None and box["height"] >= 0.95 * plot["height"]
        x, y = box["x"] + box["width"] / 2, box["y"] + 0.15 * box["height"]
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        expect(
            page.locator(".st-key-bars .hoverlayer .hovertext").first
        ).to_be_visible()  # the chart has seen the mouse
        page.mouse.click(x, y)
        expect(page.get_by_role("heading", name=f"Layer {layer}", exact=True)).to_be_visible()
        page.wait_for_url(re.compile(f"layer={layer}\\b"))
        rest(page)


def test_plotlys_buttons_cover_no_legend(example: Server, laptop: Page) -> None:
    page = opened(laptop, example, "surrogate?tab=curve")
    legend, buttons = page.locator(".st-key-curve .legend"), page.locator(".st-key-curve .modebar")
    page.locator(".st-key-curve").hover()
    one, other = legend.bounding_box(), buttons.bounding_box()
    assert one is not None and other is not None
    assert one["y"] >= other["y"] + other["height"] or one["x"] + one["width"] <= other["x"]


def test_a_picture_is_svg(example: Server, laptop: Page) -> None:
    page = opened(laptop, example, "contributions")
    page.locator(".st-key-bars").hover()
    with page.expect_download() as started:
        page.locator(".st-key-bars [data-title*='Download plot']").click()
    assert started.value.suggested_filename == "bars.svg"
