"""Two people at one dashboard: neither sees, nor waits for, what the other asks."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser import Server, names, visit, visitor

ANSWER = re.compile(r"Perplexity without layers? .* \(measured\)")


def ask(page: Page, layer: int) -> None:
    """Asks for the perplexity without a layer, and does not wait for it."""
    page.get_by_role("combobox", name="Layers to remove").click()
    page.get_by_role("option", name=str(layer), exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Measure", exact=True).click()


def test_neither_sees_the_answer_of_the_other(dashboard: Server, browser: Browser) -> None:
    with visitor(browser, "light") as one, visitor(browser, "dark") as other:
        for page in (one, other):
            page.goto(dashboard.address)
            visit(page, "Contributions")
        ask(one, 3)
        for name in names(other):  # meanwhile
            visit(other, name)
            expect(other.get_by_text(ANSWER)).to_have_count(0)
        expect(one.get_by_text("Perplexity without layer 3 (measured)")).to_be_visible(timeout=60_000)
        visit(other, "Contributions")
        expect(other.get_by_text(ANSWER)).to_have_count(0)
        ask(other, 5)
        expect(other.get_by_text("Perplexity without layer 5 (measured)")).to_be_visible(timeout=60_000)
        for page, layer in ((one, 3), (other, 5)):
            page.reload()
            visit(page, "Contributions")
            expect(page.get_by_text(ANSWER)).to_have_count(0)
            ask(page, layer)
        for page, layer in ((one, 3), (other, 5)):  # asked for at the same time
            expect(page.get_by_text(ANSWER)).to_have_text(
                re.compile(f"without layer {layer} "), timeout=60_000, use_inner_text=True
            )
