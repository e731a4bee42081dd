"""A real server, a real browser: what a person does first, and what happens when a process is killed."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cache import evaluations, queries
from cache.database import Database
from tests.support.browser import Server, insist, serving, settle, start, visit

MEASURING = re.compile(r"Measuring \(1 of \d\): [1-9]\d* of \d+ coalitions")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has never been asked for anything."""
    with serving(tmp_path_factory.mktemp("elsewhere") / "results.duckdb") as server:
        yield server


def cancel(page: Page) -> None:
    said = page.get_by_text(re.compile("The run was cancelled|Cancelling after"))
    insist(page.get_by_test_id("stMain").get_by_role("button", name="Cancel"), said)
    expect(page.get_by_text("The run was cancelled.")).to_be_visible(timeout=60_000)


def test_first_start(empty: Server, page: Page) -> None:
    """The example is there; a run on other windows is measured live; cancelled and resumed, it goes on where it was."""
    page.goto(empty.address)
    expect(page.get_by_role("heading", name="Which layers does this model need?")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("This is an example")).to_be_visible()
    shipped = evaluations.count_evaluations(Database(empty.file))
    page.get_by_text("More settings").click()
    page.get_by_role("spinbutton", name="Seed").fill("1")
    page.keyboard.press("Tab")
    expect(page.get_by_text("301 coalitions, the whole model among them")).to_be_visible()
    begun = page.get_by_test_id("stMain").get_by_role("button", name="Cancel")
    insist(page.get_by_role("button", name="Start run"), begun)
    expect(page.get_by_text(MEASURING)).to_be_visible(timeout=120_000)
    before = page.get_by_text(MEASURING).inner_text()
    expect(page.get_by_text(before, exact=True)).not_to_be_visible(timeout=120_000)
    cancel(page)
    assert queries.runs(Database(empty.file))[0].status == "cancelled"
    kept = evaluations.count_evaluations(Database(empty.file))
    assert kept > shipped
    resume(page)
    expect(page.get_by_text(MEASURING)).to_be_visible(timeout=60_000)
    cancel(page)
    assert evaluations.count_evaluations(Database(empty.file)) >= kept


def resume(page: Page) -> None:
    """By the button of the newest run: that of the history may still be there, for a run that it has not seen end."""
    page.get_by_test_id("stBaseButton-primary").filter(has_text="Resume").click()


@pytest.mark.parametrize("page", ["dark"], indirect=True)
def test_small_run_and_its_contributions(empty: Server, page: Page, tiny: Path, text_file: Path) -> None:
    page.goto(empty.address)
    settle(page)
    start(page, tiny, text_file, coalitions=40, sequences=4, tokens=16)
    expect(page.get_by_text(re.compile(r"Run \w{8} is finished"))).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="Show contributions").click()
    expect(page.get_by_role("heading", name="Contributions", exact=True)).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("Bars: contribution of each of 8 layers"))).to_be_visible()
    settle(page)
    page.get_by_text("Depth", exact=True).click()
    expect(page.get_by_role("figure", name=re.compile("Heatmap: contribution of 8 layers"))).to_be_visible()
    assert re.search(r"[?&]run=\w{8}", page.url)


def test_killed_worker_is_told_and_its_run_goes_on(empty: Server, page: Page, tiny: Path, text_file: Path) -> None:
    page.goto(empty.address)
    settle(page)
    start(page, tiny, text_file, coalitions=100, sequences=250, tokens=128)
    expect(page.get_by_text(MEASURING)).to_be_visible(timeout=120_000)
    [worker] = empty.workers()
    os.kill(worker, signal.SIGKILL)
    expect(page.get_by_text("The process that computes has ended unexpectedly")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("everything measured is kept")).to_be_visible()
    kept = evaluations.count_evaluations(Database(empty.file))
    resume(page)
    expect(page.get_by_text(MEASURING)).to_be_visible(timeout=120_000)
    assert empty.workers() != [worker]
    cancel(page)
    assert evaluations.count_evaluations(Database(empty.file)) >= kept


def test_dashboard_process_is_small_and_its_worker_goes_with_it(empty: Server) -> None:
    [worker] = empty.workers()
    assert "app.worker.process" in Path(f"/proc/{worker}/cmdline").read_text()
    # What it takes from others: libraries' files are shared, and how much of them is resident is the kernel's choice.
    memory = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{empty.process}/status").read_text())
    assert memory is not None and int(memory[1]) < 350_000
    assert "libtorch" not in Path(f"/proc/{empty.process}/maps").read_text()
    os.kill(empty.process, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and "State:\tZ" not in Path(f"/proc/{worker}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_address_of_a_page_opens_that_page_and_nothing_fails(example: Server, page: Page) -> None:
    page.goto(f"{example.address}/contributions?layer=11")
    settle(page)
    expect(page.get_by_role("heading", name="Layer 11")).to_be_visible()
    visit(page, "Learn")
    assert page.url.startswith(f"{example.address}/learn")
