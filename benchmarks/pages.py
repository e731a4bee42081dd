"""One person at an idle dashboard: seconds until a page stands still, and until the slider's new number is there.

A switch lasts from the click on a page's link until that page stands still, all charts drawn; each page is entered once
before anything counts. A step of the slider lasts from the key until the new perplexity is on the screen, between sets
whose perplexity is known.

    python -m benchmarks.pages RESULTS [--times 10] [--json FILE]
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Page

from tests.support.browser import chromium, names, serving, settle, visit, visitor

PERPLEXITY = "Perplexity (measured)"
# The number on the screen under a metric's label, or nothing.
NUMBER = """label => [...document.querySelectorAll("[data-testid=stMetric]")]
    .find((metric) => metric.querySelector("[data-testid=stMetricLabel]").innerText.trim() === label)
    ?.querySelector("[data-testid=stMetricValue]").innerText"""
CHANGED = f"([label, before]) => {{ const now = ({NUMBER})(label); return now && now !== before && now }}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="a results file with a finished run; no server may be using it")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(options.results, Path(folder) / "results.duckdb"))
        with serving(copy) as server, chromium() as browser, visitor(browser) as page:
            page.goto(server.address)
            seconds = {f"to {name}": times for name, times in switches(page, options.times).items()}
            seconds["slider"] = steps(page, options.times)
    for what, times in seconds.items():
        median, slow = np.quantile(times, (0.5, 0.95))
        print(f"{what:20} median {median:.2f} s, p95 {slow:.2f} s, of {len(times)}")
    if options.json:
        options.json.write_text(json.dumps(seconds, indent=1) + "\n")


def switches(page: Page, times: int) -> dict[str, list[float]]:
    """Seconds of each switch, by the page that it leads to, in rounds through all of them."""
    every = names(page)
    seconds: dict[str, list[float]] = {name: [] for name in every}
    for turn in range(1 + times):
        for name in every:
            settle(page)
            began = time.monotonic()
            visit(page, name)
            if turn:
                seconds[name].append(time.monotonic() - began)
    return seconds


def steps(page: Page, times: int) -> list[float]:
    """Seconds of steps of the page Preview's slider, there and back, once both sets are measured."""
    visit(page, "Preview")
    slider = page.get_by_role("slider", name="Layers removed")
    seconds = []
    for turn in range(2 + times):
        before = page.evaluate(NUMBER, PERPLEXITY)
        slider.focus()
        began = time.monotonic()
        page.keyboard.press("ArrowLeft" if turn % 2 else "ArrowRight")
        page.wait_for_function(CHANGED, arg=[PERPLEXITY, before], timeout=120_000)
        if turn > 1:
            seconds.append(time.monotonic() - began)
        settle(page)
    return seconds


if __name__ == "__main__":
    main()
