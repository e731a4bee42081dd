"""The page Runs on a laptop: a new run and the last result on the first screen, and a table that is clicked."""

from pathlib import Path

from playwright.sync_api import Page, expect

from benchmarks.many_runs import fill
from cache import queries
from cache.database import Database
from tests.support.browser import Server, serving, settle

SCREEN = {"width": 1366, "height": 768}
SCREENS, WORDS = 2.5, 250
ROW = 35  # pixels, of the table; its head is one more


def test_both_cards_are_on_the_first_screen(example: Server, page: Page) -> None:
    page.set_viewport_size(SCREEN)
    page.goto(example.address)
    settle(page)
    seen = (
        page.get_by_role("heading", name="New run"),
        page.get_by_role("button", name="Start run"),
        page.get_by_role("heading", name="The last result"),
        page.get_by_text("matters most").first,  # the history has a column of that name
        page.get_by_role("link", name="Choose how many go"),
    )
    for part in seen:
        box = part.bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= SCREEN["height"], part
    is_short(page)


def test_four_compared_runs_are_at_a_glance(tmp_path: Path, page: Page) -> None:
    file = fill(tmp_path / "results.duckdb", 4)
    run, *others = (each.run for each in queries.runs(Database(file)))
    page.set_viewport_size(SCREEN)
    with serving(file) as server:
        page.goto(f"{server.address}/?run={run}&compare={','.join(others)}")
        settle(page)
        for key in ("compared-contributions", "compared-curves"):
            box = page.locator(f".st-key-{key} .main-svg").first.bounding_box()
            assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= SCREEN["height"], key
        is_short(page)
        page.goto("about:blank")  # before its server ends


def is_short(page: Page) -> None:
    block = page.locator("[data-testid=stMainBlockContainer]")
    assert block.evaluate("block => block.scrollHeight") <= SCREENS * SCREEN["height"]
    words = page.locator("[data-testid=stMain]").evaluate("main => main.innerText.split(/\\s+/).filter(Boolean)")
    assert len(words) <= WORDS, words


def test_a_click_on_a_row_chooses_its_run(dashboard: Server, page: Page) -> None:
    page.goto(dashboard.address)
    settle(page)
    table = page.locator("[data-testid=stDataFrame]").first
    table.scroll_into_view_if_needed()
    chosen = page.get_by_text("as chosen in the sidebar")
    before = chosen.inner_text()
    table.click(position={"x": 20, "y": 2.5 * ROW})
    expect(chosen).not_to_have_text(before)
    settle(page)
    run = chosen.inner_text().split()[1]
    assert f"run={run}" in page.url and run not in before
