"""Two people at one dashboard: neither sees, nor waits for, what the other asks."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Server, visit, visitor

ANSWER = re.compile(r"Perplexity without layers? .* \(measured\)")


def ask(page: Page, layer: int) -> None:
    """Asks for the perplexity without a layer more, and does not wait for it."""
    page.get_by_role("combobox", name="Layers to remove").click()
    page.keyboard.type(str(layer))
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Measure", exact=True).click()


def test_neither_sees_the_answer_of_the_other(dashboard: Server, browser: Browser) -> None:
    with visitor(browser, "light") as one, visitor(browser, "dark") as other:
        one.goto(dashboard.address)
        other.goto(dashboard.address)
        visit(one, "Contributions")
        ask(one, 3)
        visit(other, "Interactions")
        visit(other, "Contributions")
        expect(one.get_by_text(ANSWER)).to_contain_text("without layer 3 ", timeout=60_000)
        expect(other.get_by_text(ANSWER)).to_have_count(0)
        ask(other, 5)  # at the same time
        ask(one, 4)
        expect(other.get_by_text(ANSWER)).to_contain_text("without layer 5 ", timeout=60_000)
        expect(one.get_by_text(ANSWER)).to_contain_text("without layers 3, 4 ", timeout=60_000)
