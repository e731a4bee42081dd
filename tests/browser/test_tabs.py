"""Several tabs at one dashboard: each follows what any of them, or the machine, does; and what a window shows first."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from cache import queries
from cache.database import Database
from tests.support.browser import TITLE, Server, insist, own_home, serving, settle, start

# What the server says reaches the page late: a browser far away, or a busy machine.
FAR_AWAY = """{
    const late = (hear) => (message) => setTimeout(() => hear(message), 2000);
    const said = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
    Object.defineProperty(WebSocket.prototype, "onmessage", { set(hear) { said.set.call(this, late(hear)) } });
    const listen = WebSocket.prototype.addEventListener;
    WebSocket.prototype.addEventListener = function (kind, hear, ...how) {
        listen.call(this, kind, kind === "message" ? late(hear) : hear, ...how);
    };
}"""
FAR = re.compile(r"[1-9]\d* of 101, .* left")
PAGES = ("", "contributions", "interactions", "surrogate", "preview", "export", "learn")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It has the example, and has never been asked for anything."""
    file = tmp_path_factory.mktemp("tabs") / "results.duckdb"
    with serving(file, QUORUM_HOME=own_home(file.parent)) as server:
        yield server


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def opened(page: Page, server: Server, path: str = "") -> Page:
    page.goto(f"{server.address}/{path}")
    settle(page)
    return page


def begin(page: Page, model: Path, text: Path) -> None:
    """A run that goes on for a while."""
    start(page, model, text, coalitions=100, sequences=250, tokens=128)


def cancel(page: Page) -> None:
    """By the sidebar, from whatever page."""
    heard = sidebar(page).get_by_text(re.compile("Being cancelled|Nothing is being computed"))
    insist(sidebar(page).get_by_role("button", name="Cancel"), heard)


def test_two_tabs_a_cancel_a_resume_and_a_reload(
    server: Server, page: Page, other: Page, tiny: Path, text_file: Path
) -> None:
    """Nobody asks any of these tabs to draw itself anew but where it says so."""
    opened(other, server)
    expect(other.get_by_text("This is an example")).to_be_visible()
    expect(sidebar(other).get_by_text("Nothing is being computed.")).to_be_visible()
    field = other.get_by_role("combobox", name=re.compile("Model$"))
    field.press_sequentially(" being typed")
    begin(opened(page, server), tiny, text_file)
    for tab in (page, other):
        expect(sidebar(tab).get_by_text(FAR)).to_be_visible()
        expect(
            tab.get_by_test_id("stMain").get_by_text(f"{tiny.name} on {text_file.name} · 100 coalitions")
        ).to_be_visible()
    assert "being typed" in field.input_value(), "what somebody is writing stays"
    other.keyboard.press("Escape")  # while its list is open, all else is hidden from whoever goes by roles
    insist(
        sidebar(other).get_by_role("button", name="Cancel"), other.get_by_text(re.compile("Being cancelled|was canc"))
    )
    for tab in (page, other):
        expect(tab.get_by_text("The run was cancelled.")).to_be_visible()
        expect(tab.get_by_role("button", name="Start another run")).to_be_visible()
        expect(tab.get_by_role("button", name="Resume")).to_have_count(1)
        expect(sidebar(tab).get_by_text("Nothing is being computed.")).to_be_visible()
    before = {run.run: run.status for run in queries.runs(Database(server.file))}
    insist(page.get_by_role("button", name="Resume"), sidebar(page).get_by_text(FAR))
    expect(sidebar(other).get_by_text(FAR)).to_be_visible()
    expect(other.get_by_role("button", name="Resume")).to_have_count(0)
    assert {run.run for run in queries.runs(Database(server.file))} == before.keys(), "the same run goes on"
    page.reload()
    settle(page)
    expect(sidebar(page).get_by_text(FAR)).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_text(re.compile(r"Measuring \(1 of \d\): \d+ of 101"))).to_be_visible()
    [worker] = server.workers()
    os.kill(worker, signal.SIGKILL)
    for tab in (page, other):
        expect(tab.get_by_text("The process that computes has ended unexpectedly")).to_be_visible()
        expect(tab.get_by_role("button", name="Resume")).to_have_count(1)


def test_a_deep_link_to_each_page_while_a_run_goes_on(
    server: Server, page: Page, other: Page, tiny: Path, text_file: Path
) -> None:
    begin(opened(page, server), tiny, text_file)
    expect(sidebar(page).get_by_text(FAR)).to_be_visible()
    run = queries.runs(Database(server.file))[0]
    assert run.status == "running"
    for path in PAGES:
        opened(other, server, f"{path}?run={run.run}")
        expect(other.locator(TITLE)).to_be_visible()
        assert f"run={run.run}" in other.url
        expect(sidebar(other).get_by_text(re.compile(rf"· 100 coalitions · run\s+{run.run}"))).to_be_visible()
        expect(sidebar(other).get_by_text(FAR)).to_be_visible()
        assert other.get_by_role("alert").filter(has_text="no run").count() == 0, path
    insist(
        sidebar(other).get_by_role("button", name="Cancel"), other.get_by_text(re.compile("Being cancelled|Nothing is"))
    )
    expect(sidebar(page).get_by_text("Nothing is being computed.")).to_be_visible()


def test_a_link_beside_an_unknown_run_leads_to_one_that_there_is(server: Server, page: Page) -> None:
    opened(page, server, "export?run=nope&remove=1&k=2")
    expect(page.get_by_text("There is no run nope here.")).to_be_visible()
    expect(page.get_by_role("button", name="Export")).to_have_count(0)
    page.get_by_test_id("stMain").get_by_role("link").last.click()
    expect(page.get_by_text("There is no run nope here.")).to_have_count(0)
    settle(page)
    # What the page itself chooses for that run may be in its address; what the other address asked for is not.
    asked = parse_qs(urlsplit(page.url).query)
    assert re.fullmatch(r"\w{8}", asked["run"][0]) and asked.get("remove") != ["1"] and "k" not in asked


# No theme moves anything: each is seen at one size at least.
@pytest.mark.parametrize(
    ("page", "width", "height"), [("light", 1366, 768), ("dark", 1920, 1080), ("light", 390, 844)], indirect=["page"]
)
def test_what_a_window_shows_first(server: Server, page: Page, width: int, height: int) -> None:
    """Nothing empty above the title, nothing beyond the right edge, lines of 1,600 pixels at most, and the sidebar."""
    page.set_viewport_size({"width": width, "height": height})
    for path in ("", "contributions", "learn"):
        opened(page, server, path)
        title, main = (
            page.locator(TITLE).bounding_box(),
            page.get_by_test_id("stMain").evaluate(
                "main => [main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - innerWidth]"
            ),
        )
        assert title is not None and main == [0, 0]
        assert title["y"] <= (60 if width < 768 else 20)
        content = page.get_by_test_id("stMainBlockContainer").bounding_box()
        beside = sidebar(page).bounding_box()
        assert content is not None and beside is not None
        assert content["width"] == min(1600, width - (beside["width"] if width > 768 else 0))
        picker = sidebar(page).get_by_role("combobox", name="Run").bounding_box()
        assert picker is not None and (beside["x"] < 0 if width < 768 else picker["y"] + picker["height"] < 500)


@pytest.mark.parametrize(
    ("path", "link", "title"),
    [("", "Show contributions", "Contributions"), ("preview?k=3", "Export these", "Take the smaller model with you")],
)
def test_a_page_far_away_is_left_for_good(server: Server, page: Page, path: str, link: str, title: str) -> None:
    """What the page that is left asks for meanwhile neither clears the new one nor brings the old one back."""
    page.add_init_script(FAR_AWAY)
    opened(page, server, path)
    page.get_by_test_id("stMain").get_by_role("link", name=re.compile(link)).click()
    expect(page.locator(TITLE)).to_contain_text(title)
    page.wait_for_timeout(5000)  # more than two looks of the sidebar, and what they answer
    # While what the page before has asked for is measured, a look begins before the answer to the last one is there.
    # The worker gives way to whatever other tests compute, and takes minutes for that beside them.
    settle(page, within=900_000)
    expect(page.locator(TITLE)).to_contain_text(title)
    assert page.get_by_test_id("stMain").get_by_test_id("stMarkdown").count()
