"""Every page is used without a mouse: Tab, Enter, letters and arrows."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from transformers import AutoModelForCausalLM

from tests.support.browser import LINKS, TITLE, Server, rest, settle, tab_to, visit
from tests.support.models import LAYERS


def press(page: Page, control: Locator, key: str = "Enter") -> None:
    tab_to(page, control)
    page.keyboard.press(key)


def write(page: Page, control: Locator, text: str) -> None:
    tab_to(page, control)
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(text)


def open_page(page: Page, server: Server, name: str) -> None:
    """By the keyboard, too."""
    page.goto(server.address)
    settle(page)
    before = page.locator(TITLE).inner_text()
    press(page, page.locator(LINKS).filter(has_text=name))
    expect(page.locator(TITLE)).not_to_have_text(before)
    settle(page)


def test_runs(dashboard: Server, page: Page, tiny: Path, text_file: Path) -> None:
    page.goto(dashboard.address)
    settle(page)
    write(page, page.get_by_role("combobox", name=re.compile("Model$")), str(tiny))
    page.keyboard.press("Enter")
    write(page, page.get_by_role("combobox", name=re.compile("Calibration text")), str(text_file))
    page.keyboard.press("Enter")
    write(page, page.get_by_role("spinbutton", name="Coalitions"), "40")
    press(page, page.locator("summary").filter(has_text="More settings"))
    write(page, page.get_by_role("spinbutton", name="Sequences"), "4")
    write(page, page.get_by_role("spinbutton", name="Tokens in a sequence"), "16")
    expect(page.get_by_role("button", name="Start run")).to_be_enabled(timeout=60_000)
    press(page, page.get_by_role("button", name="Start run"))
    expect(page.get_by_text(re.compile(r"Run \w{8} is finished"))).to_be_visible(timeout=120_000)
    settle(page)
    press(page, page.get_by_role("link", name="Show contributions"))
    expect(page.get_by_role("heading", name="Contributions", exact=True)).to_be_visible()


def test_contributions(dashboard: Server, page: Page) -> None:
    open_page(page, dashboard, "Contributions")
    before = page.url
    press(page, page.get_by_role("combobox", name=re.compile("Run")), "ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != before and "run=" in url)
    settle(page)
    press(page, page.locator("summary").filter(has_text="As a table").first)
    expect(page.get_by_role("button", name="CSV").first).to_be_visible()
    write(page, page.get_by_role("combobox", name="Layers to remove"), "3")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    press(page, page.get_by_role("button", name="Measure", exact=True))
    expect(page.get_by_text("Perplexity without layer 3 (measured)")).to_be_visible(timeout=60_000)


def test_interactions(dashboard: Server, page: Page) -> None:
    open_page(page, dashboard, "Interactions")
    sentence = page.get_by_text("Estimated interaction of layers")
    before = sentence.inner_text()
    press(page, page.get_by_role("combobox", name=re.compile("Pair")), "ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(sentence).not_to_have_text(before)
    settle(page)
    press(page, page.get_by_role("button", name="Measure the four perplexities"))
    expect(page.get_by_text("Measured interaction while nothing else is missing")).to_be_visible(timeout=60_000)


def test_preview_and_export(dashboard: Server, page: Page) -> None:
    """A removal is chosen, measured, changed, taken back and exported; the folder needs nothing of ours."""
    open_page(page, dashboard, "Preview")
    kept = page.locator("[class*=st-key-strip-] [aria-pressed=true]")
    press(page, page.get_by_role("textbox", name="Removed"), "Control+a")
    page.keyboard.type("1, 2")
    page.keyboard.press("Enter")
    expect(kept).to_have_count(6)
    settle(page)
    press(page, page.get_by_role("slider", name=re.compile("Layers removed")), "ArrowRight")
    expect(kept).to_have_count(5)
    expect(page.get_by_text("Perplexity (measured)")).to_be_visible(timeout=60_000)
    rest(page)
    for key, left in (("[", 6), ("]", 5), ("]", 4), ("u", 5)):
        page.keyboard.press(key)
        expect(kept).to_have_count(left)
        rest(page)
    press(page, page.get_by_role("link", name="Export these 5 layers"))
    expect(page.locator(TITLE)).to_have_text("Take the smaller model with you")
    rest(page)
    if (asked := page.get_by_role("checkbox", name=re.compile("Export it although"))).count():
        press(page, asked, "Space")
        settle(page)
    write(page, page.get_by_role("textbox", name="Name of the folder"), "smaller")
    page.keyboard.press("Enter")
    settle(page)
    press(page, page.get_by_role("button", name="Export", exact=True))
    expect(page.get_by_text("Loaded again with transformers")).to_be_visible(timeout=120_000)
    smaller = AutoModelForCausalLM.from_pretrained(dashboard.file.parent / "exports" / "smaller")
    assert smaller.config.num_hidden_layers == LAYERS - 3
    visit(page, "Interactions")  # where what Preview keeps in the session is in nobody's way
