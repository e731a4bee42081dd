"""The dashboard's server and a browser before it, for tests, pictures and the load; every fault is put down.

Needs neither torch nor pytest.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from core.paths import home

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A second list replaces the first, which is Playwright's: all of that, and the pages that a new window would load
    # for menus of its own, which take longer than many a page of ours.
    "--disable-features=AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,"
    "AvoidCorsURLLoaderRestartOnRedirect,TcpPortRandomizationWin,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,"
    "PreconnectToSearch,"
    "PreloadTopChromeWebUI,PreloadTopChromeWebUILessNavigations,InitialWebUI,WebUIReloadButton,WebUITabStrip,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]
# Time decides no test: a machine that is busy answers late.
expect.set_options(timeout=30_000)
VIEWPORT = {"width": 1300, "height": 1000}
TITLE = "[data-testid=stMain] h1"
LINKS = "[data-testid=stSidebarNavLink]"
# What Streamlit's server prints when a browser leaves in the middle of connecting: two errors of its own, no other's.
_TRACE = r"Traceback \(most recent call last\):\n(?:  .*\n)+starlette\.websockets\.WebSocketDisconnected: "
LEFT_EARLY = re.compile(
    rf"Exception in ASGI application\n{_TRACE}WebSocket is not connected.*\n\n"
    rf"During handling of the above exception, another exception occurred:\n\n{_TRACE}Cannot call \"send\" once.*"
)
# Streamlit lets two threads at one session's state while it hands a request on to a new thread (runner.fastReruns),
# each behind a lock of its own: seen once, under load. Its own frames only, for ours come later.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CROWDED = re.compile(
    r"Traceback \(most recent call last\)(?:(?!Traceback)[\s\S])*?in on_script_will_rerun(?:(?!Traceback)[\s\S])*?"
    r"in _reset_triggers(?:(?!Traceback)[\s\S])*?RuntimeError: dictionary changed size during iteration"
)
# The script has ended, nothing of an earlier page is left, and every chart is drawn.
SETTLED = """() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    return all("[data-test-script-state=notRunning]").length === 1
        && all("[data-testid=stMain] h1").length === 1
        && all("[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]").length === 0
        && all("[data-testid=stPlotlyChart]").every((chart) => chart.querySelector(".main-svg"));
}"""
MOST_TABS = 400  # presses of Tab until a control is reached, or all of them are
# What the page Preview measures of its own accord, with a model that has to be loaded first.
MEASURING = re.compile(r"Being measured\.|\(being measured\)|\(estimated, \d+ of \d+ sequences\)")


@dataclass(frozen=True)
class Server:
    """A dashboard that runs: its address, its results file, its process, and what it has printed."""

    address: str
    file: Path
    process: int
    log: Path

    def workers(self) -> list[int]:
        """The process that computes, if it has been started."""
        tasks = Path(f"/proc/{self.process}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]

    def memory(self) -> int:
        """What the dashboard's process holds now, in MiB; its worker not counted."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024


def without_streamlits_own(log: str) -> str:
    """What a server printed, less the two faults of Streamlit that are known and are not ours to mend."""
    return CROWDED.sub("", LEFT_EARLY.sub("", _COLOUR.sub("", log)))


@contextmanager
def serving(file: Path, prefix: str = "", **variables: str) -> Iterator[Server]:
    """`python -m app serve` on a results file, as `make run` does it but from that file's folder, on a free port.

    Below a path, if there is a `prefix`; with further environment variables.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = file.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port), "--cache", str(file), "--prefix", prefix],
            cwd=file.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_HEADLESS": "true", **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}{prefix}", process)
        yield Server(f"http://127.0.0.1:{port}{prefix}", file, process.pid, log)
        assert "Traceback" not in without_streamlits_own(log.read_text()), log.read_text()
    finally:
        process.terminate()
        process.wait(30)


def own_home(folder: Path) -> str:
    """A home for a server of its own, but for the bundled model, whose preparation takes half a minute."""
    prepared = home() / "models"
    prepared.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to(prepared)
    return str(folder)


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 300  # a busy machine is slow to start
    while True:
        try:
            # An unknown path answers 200 with the page: only the body says that the server is well.
            assert urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).read() == b"ok"
            return
        except OSError:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.2)


@contextmanager
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "a browser is needed: sudo apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _lost(request: Request) -> bool:
    """Whether a request failed: the browser itself gives up what a page that is left was still loading."""
    return request.failure != "net::ERR_ABORTED"


@contextmanager
def visitor(browser: Browser, theme: str = "light") -> Iterator[Page]:
    """A person with a browser of their own, who meets no error of the console, failed request or traceback."""
    context = browser.new_context(color_scheme=theme, viewport=VIEWPORT)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}") if _lost(request) else None)
    page.on(
        "response", lambda answer: faults.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
    )
    try:
        yield page
        assert page.locator("[data-testid=stException]").count() == 0
    finally:
        context.close()
    assert not faults, faults


def settle(page: Page, within: float = 60_000) -> None:
    """Waits until the page stands still, so many milliseconds at most."""
    page.wait_for_function(SETTLED, timeout=within)


def rest(page: Page) -> None:
    """Waits until nothing changes of its own accord: what has been measured draws a page anew."""
    settle(page)
    expect(page.get_by_text(MEASURING)).to_have_count(0, timeout=300_000)
    settle(page)


def names(page: Page) -> list[str]:
    """Every page of the dashboard, as the sidebar lists them (from app/navigation.py)."""
    page.locator(LINKS).first.wait_for(timeout=60_000)
    return page.locator(f"{LINKS} p").all_inner_texts()


def visit(page: Page, name: str) -> None:
    """Goes to a page by its link in the sidebar, and waits for all of it; no two pages have the same title."""
    settle(page)
    before = page.locator(TITLE).inner_text()
    link = page.get_by_role("navigation", name="App pages").get_by_role("link", name=name)
    if link.get_attribute("aria-current") != "page":
        link.click()
        expect(page.locator(TITLE)).not_to_have_text(before, timeout=60_000)
    settle(page)


def sights(page: Page) -> Iterator[str]:
    """Goes to every page, each of its details, and every step of the lecture, one after the other, and names each."""
    for name in names(page):
        visit(page, name)
        rest(page)
        yield name
        steps = page.get_by_role("radiogroup", name="Step").get_by_role("radio")
        assert name != "Learn" or steps.count() == 6
        for place in range(1, steps.count()):
            heading = page.locator("[data-testid=stMain] h2").first
            before = heading.inner_text()
            steps.nth(place).click()
            expect(heading).not_to_have_text(before)
            settle(page)
            yield f"{name}, {heading.inner_text()}"
        details = page.get_by_role("radiogroup", name="Details").get_by_role("radio")
        for place in range(1, details.count()):
            show(page, details.nth(place))
            yield f"{name}, {details.nth(place).inner_text()}"


def show(page: Page, part: Locator) -> None:
    """Chooses a part of a page: it is marked at once, and in the address when the server has heard of it.

    A click that meets a page just being drawn anew is lost, and is made again.
    """
    before = page.url
    for _ in range(3):
        part.click()
        with suppress(AssertionError):
            expect(page).not_to_have_url(before, timeout=15_000)
            break
    expect(page).not_to_have_url(before)
    expect(part).to_be_checked()
    rest(page)


def expand(page: Page) -> None:
    """Opens every expander, one after the other: one that is open no longer counts.

    A click that meets a page just being drawn anew is lost, and is made again while as many are closed as before.
    """
    closed = page.locator("[data-testid=stMain] details:not([open])")
    while left := closed.count():
        for patience in (5_000, 10_000, 30_000):
            closed.first.locator("summary").click()
            with suppress(AssertionError):
                expect(closed).not_to_have_count(left, timeout=patience)
                break
            settle(page)
        expect(closed).not_to_have_count(left)
        settle(page)


def unfold(page: Page) -> None:
    """Makes the window as high as the page, so that nothing is out of sight."""
    height = page.locator("[data-testid=stMainBlockContainer]").evaluate("block => block.scrollHeight")
    page.set_viewport_size({**VIEWPORT, "height": max(VIEWPORT["height"], height)})
    settle(page)


def tab_to(page: Page, control: Locator) -> None:
    """Presses Tab until a control has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if control.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {control}")


def insist(button: Locator, said: Locator) -> None:
    """Clicks until it is acknowledged: a click that meets a page just being drawn anew is lost."""
    for _ in range(5):
        settle(button.page)
        button.click()
        with suppress(AssertionError):
            expect(said).to_be_visible(timeout=10_000)
            return
    expect(said).to_be_visible()


def start(page: Page, model: Path, text: Path, *, coalitions: int, sequences: int, tokens: int) -> None:
    """Fills in the form and starts a run."""
    page.get_by_role("combobox", name=re.compile("Model$")).fill(str(model))
    page.keyboard.press("Enter")
    page.get_by_role("spinbutton", name="Coalitions").fill(str(coalitions))
    page.get_by_role("combobox", name=re.compile("Calibration text")).fill(str(text))
    page.keyboard.press("Enter")
    page.get_by_text("More settings").click()
    page.get_by_role("spinbutton", name="Sequences").fill(str(sequences))
    page.get_by_role("spinbutton", name="Tokens in a sequence").fill(str(tokens))
    page.keyboard.press("Tab")  # a field is heard once it is left
    start_run = page.get_by_role("button", name=re.compile("Start (another )?run"), disabled=False)
    expect(start_run).to_have_count(1, timeout=120_000)  # once the worker has started, and has looked at the text
    insist(start_run, page.get_by_text(re.compile(r"Measuring \(|is finished")))
