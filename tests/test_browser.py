"""A real server, a real browser: what a person does first, in both themes, without an error on the console."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cache import queries
from cache.database import Database
from tests.conftest import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, int]]:
    """`python -m app serve` from another working directory, on an empty results file: address, file, process."""
    folder = tmp_path_factory.mktemp("elsewhere")
    file = folder / "results.duckdb"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--port", str(port), "--cache", str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_HEADLESS": "true"},
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            # An unknown path answers 200 with the page: only the body says that the server is well.
            assert urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).read() == b"ok"
            break
        except OSError:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.2)
    yield address, file, process.pid
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "these tests drive Chromium: sudo apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page that fails the test on any error of the console and any failed request."""
    context = browser.new_context(color_scheme=request.param, viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    page.on(
        "response", lambda answer: faults.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
    )
    yield page
    assert page.locator("[data-testid=stException]").count() == 0
    context.close()
    assert not faults


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_first_start(server: tuple[str, Path, int], page: Page) -> None:
    """The example is there; a run on other windows of its text is measured here, and its progress is live."""
    address, file, _ = server
    page.goto(address)
    expect(page.get_by_role("heading", name="Which layers does this model need?")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("This is an example").or_(page.get_by_text("was cancelled"))).to_be_visible()
    page.get_by_text("More settings").click()
    page.get_by_role("spinbutton", name="Seed").fill("1")
    page.keyboard.press("Tab")
    expect(page.get_by_text("301 coalitions, the whole model among them")).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_text(re.compile(r"Measuring: [1-9]\d* of 301 coalitions"))).to_be_visible(timeout=120_000)
    before = page.get_by_text(re.compile(r"Measuring: \d+ of 301")).inner_text()
    expect(page.get_by_text(before, exact=True)).not_to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The run was cancelled.")).to_be_visible(timeout=60_000)
    assert queries.runs(Database(file))[0].status == "cancelled"
    assert queries.count_evaluations(Database(file)) > 0


def test_small_run_and_its_contributions(
    server: tuple[str, Path, int], page: Page, tiny: Path, text_file: Path
) -> None:
    address, _, _ = server
    page.goto(address)
    expect(page.get_by_role("heading", name="History")).to_be_visible(timeout=60_000)
    if page.get_by_role("button", name="Cancel").count():
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("The run was cancelled.")).to_be_visible(timeout=60_000)
    page.get_by_role("textbox", name="Model").fill(str(tiny))
    page.get_by_role("spinbutton", name="Coalitions").fill("40")
    page.get_by_role("combobox", name=re.compile("Calibration text")).fill(str(text_file))
    page.keyboard.press("Enter")
    page.get_by_text("More settings").click()
    page.get_by_role("spinbutton", name="Sequences").fill("4")
    page.get_by_role("spinbutton", name="Tokens in a sequence").fill("16")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_text(re.compile(r"Run \w{8} is finished"))).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Show contributions").click()
    expect(page.get_by_role("heading", name="Contributions")).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("Bars: contribution of each of 8 layers"))).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("Heatmap: contribution of 8 layers"))).to_be_visible()
    assert re.search(r"\?run=\w{8}", page.url)
    page.get_by_role("combobox", name="Layers to remove").click()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(page.get_by_text("Perplexity without layer 3 (measured)")).to_be_visible(timeout=60_000)


def test_dashboard_process_is_small_and_its_worker_goes_with_it(server: tuple[str, Path, int]) -> None:
    _, _, process = server
    [worker] = children(process)
    assert "app.worker" in Path(f"/proc/{worker}/cmdline").read_text()
    memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert memory is not None and int(memory[1]) < 400_000
    assert "libtorch" not in Path(f"/proc/{process}/maps").read_text()
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and "State:\tZ" not in Path(f"/proc/{worker}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
