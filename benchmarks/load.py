"""Many people at once: they go from page to page while a run goes on. Time of a switch, faults, the server's memory.

Everything stays on this machine's loopback. The results file is copied, and a run of the bundled model is started on
the copy by the dashboard's own button. First everybody sees every page once; then the time begins. A switch lasts from
the click until the new page stands still; between two switches a person reads. What is reported is of this machine with
its browsers on it: 20 of them share its cores with the server and the run, and take most of them.

    python -m benchmarks.load RESULTS [--people 20] [--seconds 300] [--reading 20] [--json FILE]
"""

import argparse
import asyncio
import json
import random
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.async_api import Browser, Locator, Page, async_playwright
from playwright.async_api import TimeoutError as TooLate

from tests.support.browser import CHROMIUM, FLAGS, LINKS, SETTLED, TITLE, VIEWPORT, Server, serving

COALITIONS = 5000  # more than any run measures within the time
PATIENCE = 120  # seconds after which a page that does not stand still is a fault


@dataclass
class Load:
    """What was seen. Times in seconds, memory in MiB of the server's process, without its worker."""

    people: int
    seconds: float
    reading: float  # seconds that a person looks at a page, on average
    switches: int = 0
    p50: float = 0.0
    p95: float = 0.0
    slowest: float = 0.0
    memory_at_start: int = 0
    memory_at_the_end: int = 0
    growth: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.people} people, {self.seconds:.0f} s, {self.reading:.0f} s on a page, {self.switches} switches: "
            f"p50 {self.p50:.2f} s, p95 {self.p95:.2f} s, slowest {self.slowest:.2f} s\n"
            f"memory of the server: {self.memory_at_start} MiB once everybody has seen every page, "
            f"{self.memory_at_the_end} at the end ({self.growth:+.1%})\n"
            f"faults: {len(self.faults)}" + "".join(f"\n  {fault}" for fault in self.faults[:20])
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="a results file with a finished run; no server may be using it")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--reading", type=float, default=20, help="seconds that a person looks at a page, on average")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load = Load(options.people, options.seconds, options.reading)
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(options.results, Path(folder) / "results.duckdb"))
        with serving(copy) as server:
            asyncio.run(crowd(server, load))
    print(load)
    if options.json:
        options.json.write_text(json.dumps(asdict(load), indent=1) + "\n")


async def crowd(server: Server, load: Load) -> None:
    """Everybody, each in a browser context of their own, until the time is over."""
    times: list[float] = []
    async with async_playwright() as playwright, asyncio.timeout(load.seconds + 6 * PATIENCE):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        first = await arrive(browser, server, load)
        await start_run(first)
        pages = [first, *[await arrive(browser, server, load) for _ in range(load.people - 1)]]
        await asyncio.gather(*map(tour, pages))
        load.memory_at_start = server.memory()
        end = time.monotonic() + load.seconds
        await asyncio.gather(*(wander(page, seed, end, times, load) for seed, page in enumerate(pages)))
        load.memory_at_the_end = server.memory()
        await browser.close()
    load.growth = load.memory_at_the_end / load.memory_at_start - 1
    load.switches = len(times)
    load.p50, load.p95, load.slowest = (float(value) for value in np.quantile(times, (0.5, 0.95, 1)))


async def arrive(browser: Browser, server: Server, load: Load) -> Page:
    """One person more, whose faults are put down."""
    context = await browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(PATIENCE * 1000)
    page = await context.new_page()
    note = load.faults.append
    page.on("console", lambda message: note(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: note(f"page: {error}"))
    page.on("requestfailed", lambda request: note(f"request failed: {request.url}"))
    page.on("response", lambda answer: note(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
    await page.goto(server.address)
    await page.wait_for_function(SETTLED)
    return page


async def start_run(page: Page) -> None:
    """By the form, with its defaults, but so long that it outlasts us."""
    await page.get_by_role("spinbutton", name="Coalitions").fill(str(COALITIONS))
    await page.get_by_role("button", name="Start run").click()
    await page.get_by_text("Measuring").first.wait_for()


async def tour(page: Page) -> None:
    """Every page once."""
    for link in await page.locator(LINKS).all():
        if await link.get_attribute("aria-current") != "page":
            await switch(page, link)


async def wander(page: Page, seed: int, end: float, times: list[float], load: Load) -> None:
    """One person: another page, a look at it, and so on; seconds of each switch go into `times`."""
    chance = random.Random(seed)
    while time.monotonic() + (pause := chance.expovariate(1 / load.reading)) < end:
        await asyncio.sleep(pause)
        links = await page.locator(f"{LINKS}:not([aria-current=page])").all()
        try:
            times.append(await switch(page, chance.choice(links)))
        except TooLate as error:
            load.faults.append(f"too late: {error}")
            return
        if await page.locator("[data-testid=stException]").count():
            load.faults.append(f"traceback at {page.url}")


async def switch(page: Page, link: Locator) -> float:
    """Seconds from the click on another page's link until that page stands still."""
    before = await page.locator(TITLE).inner_text()
    began = time.monotonic()
    await link.click()
    await page.locator(TITLE).filter(has_not_text=before).wait_for()
    await page.wait_for_function(SETTLED)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
