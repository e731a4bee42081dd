"""The form of a run is drawn anew while somebody writes into it: what is written is what the run gets."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from cache import queries
from cache.database import Database
from tests.support.browser import Server, insist, serving, settle, start

MARK = "element => { element.mark = 'the same'; }"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("sizes") / "results.duckdb"
    with serving(file, QUORUM_HOME=str(file.parent)) as server:
        yield server


def field(page: Page, name: str = "Coalitions") -> Locator:
    return page.get_by_role("spinbutton", name=name)


def choose(page: Page, name: str, value: object) -> None:
    page.get_by_role("combobox", name=re.compile(f"{name}$")).fill(str(value))
    page.keyboard.press("Enter")


def test_a_typed_number_is_what_the_run_gets(
    server: Server, page: Page, other: Page, tiny: Path, text_file: Path
) -> None:
    page.goto(server.address)
    settle(page)
    field(page).evaluate(MARK)
    choose(page, "Model", tiny)
    write(page, "44")  # while the model is looked at, and its answer draws the page
    expect(page.get_by_text("Being looked at …")).to_have_count(0, timeout=120_000)
    expect(page.get_by_text("llama · 8 layers")).to_be_visible()
    settle(page)
    assert field(page).input_value() == "44"
    choose(page, "Calibration text", text_file)
    expect(page.get_by_text("45 coalitions, the whole model among them")).to_be_visible()
    page.get_by_role("button", name="Quick").click()
    expect(page.get_by_text("101 coalitions, the whole model among them")).to_be_visible()
    expect(field(page)).to_have_value("100")
    write(page, "43")
    other.goto(server.address)
    settle(other)
    start(other, tiny, text_file, coalitions=10, sequences=2, tokens=16)
    expect(page.get_by_text(re.compile(r"Run \w{8} is finished"))).to_be_visible(timeout=120_000)
    settle(page)
    assert field(page).input_value() == "43", "the run of somebody else drew this page, from its start to its end"
    page.get_by_text("More settings").click()
    expect(field(page, "Sequences")).to_have_value("4")
    field(page, "Tokens in a sequence").fill("16")
    page.keyboard.press("Tab")
    expect(page.get_by_text("44 coalitions, the whole model among them")).to_be_visible()
    assert field(page).evaluate("element => element.mark") == "the same", "the field was never replaced"
    insist(page.get_by_role("button", name="Start run"), page.get_by_text(f"{tiny.name} on {text_file.name}"))
    expect(page.get_by_test_id("stMain").get_by_text(f"{tiny.name} on {text_file.name} · 43 coalitions")).to_be_visible(
        timeout=120_000
    )
    database, until = Database(server.file), time.monotonic() + 120
    while (runs := queries.runs(database))[0].spec.masks == 10:  # it is told of before its game is open
        assert time.monotonic() < until
        time.sleep(0.2)
    assert [(run.spec.masks, run.spec.sequences) for run in runs[:2]] == [(43, 4), (10, 2)]


def write(page: Page, number: str) -> None:
    """Digit by digit into the field of coalitions, which is not left: nobody has heard of it yet."""
    field(page).select_text()
    page.keyboard.type(number, delay=100)
    assert field(page).input_value() == number
