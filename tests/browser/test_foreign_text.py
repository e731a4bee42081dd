"""Whatever a results file or an address says is text: nothing is fetched for it, nothing of it is run or drawn.

A file whose every free text is markup, before a browser, page by page; and the report of its run, opened from the disk.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from cache import queries
from cache.database import Database
from cache.exchange.imports import note
from cache.store import Store
from core.records.plans import OURS, Comparison, MethodResult, Plan, Scores, Selection
from tests.support.browser import Server, expand, serving, settle, sights, visit, visitor
from tests.support.stored import store_run

HOST = "foreign.invalid"
HOSTILE = (
    f"![i](http://{HOST}/i.png) [a](http://{HOST}/a) [j](javascript:window.pwned=1) <img src=http://{HOST}/t.png> "
    f"<script>window.pwned=1</script></script><script>window.pwned=2</script> <a href='//{HOST}/b'>b</a> "
    f"<iframe src='//{HOST}/f'></iframe> '\"><svg onload=window.pwned=3> http://{HOST}/bare "
    f"www.{HOST} :red[r] $x^2$ `c` "
    # the last part of a path is what a report shows of it: markup without a slash
    "/<img src=x onerror=window.pwned=4><b id=injected>&lt;img src=x&gt;"
)
PATH = f"/{HOSTILE}"
# Whatever may be any text in what is stored; the rest are numbers, and words that are looked up.
TEXTS = {
    "source", "architecture", "device", "quantisation", "commit", "corpus", "split", "field", "preset", "tokens",
    "method", "model",
}  # fmt: skip
# What would be there if a text were more than text: an address of the host, a script's traces, an element by its name.
INJECTED = f"""() => [...document.querySelectorAll("*")].filter((element) =>
    element.id === "injected" || [...element.attributes].some(({{name, value}}) => {{
        if (name.startsWith("on") && value.includes("pwned")) return true;
        if (!["href", "xlink:href", "src", "srcset", "action", "data", "poster"].includes(name)) return false;
        try {{
            const url = new URL(value, location.href);
            return url.hostname.endsWith("{HOST}") || value === "x" || url.protocol === "javascript:";
        }} catch {{ return true; }}
    }})).map((element) => element.outerHTML.slice(0, 300)).concat(window.pwned === undefined ? [] : ["a script ran"])"""
DRAWN = "[...document.querySelectorAll('.plotly-graph-div')].every(one => one.querySelector('.main-svg'))"
NAMES = ("compare", "remove", "k", "first", "second", "surrogate", "step", "value", "worth", "layer")
# A run that is none leaves little of a page; every page asks for it alike.
ADDRESSES = (
    (("", "contributions", "learn"), {"run": HOSTILE, "compare": HOSTILE}),
    (
        ("", "contributions", "interactions", "surrogate", "preview", "export", "learn"),
        dict.fromkeys(NAMES, HOSTILE),
    ),
)


def forged(value: Any, name: str = "") -> Any:
    """What was stored, with markup in the place of every free text."""
    if isinstance(value, dict):
        return {key: forged(below, key) for key, below in value.items()}
    if isinstance(value, list):
        return [forged(below) for below in value]
    return PATH if isinstance(value, str) and name in TEXTS else value


def forge(file: Path) -> list[str]:
    """A results file with two finished runs and a failed one, their search, comparison, scores, texts and an import."""
    database = Database(file)
    store = Store(database)
    results = [store_run(database, kl=True), store_run(database, count=100)]
    for result in results:
        plans = tuple(Plan(count, tuple(range(count)), 900, 9.0, 8.0, 10.0, 1.1, 1.0, 1.2) for count in (1, 2))
        protocol, held_out = result.protocol, replace(result.protocol, split="evaluation")
        chosen = tuple(MethodResult(name, plans, 10, 1000, 1.0, 0.5) for name in (OURS, "sleb"))
        store.save_selection(result.run, Selection(result.model, protocol, 8.0, (), plans, plans, 10, 1.0, 0.9))
        store.save_comparison(result.run, Comparison(result.model, protocol, held_out, 8.0, chosen))
        store.save_scores(result.run, Scores(protocol, {"shortgpt": tuple(map(float, range(8))), HOSTILE: (1.0,) * 8}))
    store.record_texts(results[0].model.fingerprint, PATH, [HOSTILE] * 4)
    run = queries.find_run(database, results[0].run)
    failed = store.begin(run.game, replace(run.spec, masks=77), results[0].protocol, (7,))
    store.close(failed, "failed", HOSTILE)
    with database.writing() as connection:
        note(connection, "a" * 64, HOSTILE, run.game, ["1" * 8])
        for table, key, columns in (
            ("games", "game", ("model", "protocol")),
            ("runs", "run", ("spec", "result")),
            ("selections", "run", ("selection",)),
            ("comparisons", "run", ("comparison",)),
            ("scores", "run", ("scores",)),
        ):
            for column in columns:
                for name, text in connection.execute(f"SELECT {key}, {column} FROM {table}").fetchall():
                    if text is not None:
                        changed = json.dumps(forged(json.loads(text)))
                        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", [changed, name])
    return [result.run for result in results]


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:
    """A visitor who notes whatever is asked of another host, and every dialog."""
    seen: list[str] = []
    with visitor(browser) as page:
        page.on("request", lambda request: seen.append(request.url))
        page.on("dialog", lambda dialog: seen.append(f"//{HOST}/dialog"))
        page.on("dialog", lambda dialog: dialog.dismiss())
        yield page
        ours = {"127.0.0.1", "", None}
        assert not [url for url in seen if urlsplit(url).hostname not in ours]


def look(page: Page, where: str) -> None:
    """Everything that is on a page now: nothing has become more than text."""
    found = page.evaluate(INJECTED)
    assert not found, (where, found)
    assert page.locator("[data-testid=stException]").count() == 0, (where, page.locator("main").inner_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, list[str]]]:
    folder = tmp_path_factory.mktemp("foreign")
    found = forge(folder / "results.duckdb")
    with serving(folder / "results.duckdb", QUORUM_HOME=str(folder / "home"), HF_HUB_OFFLINE="1") as server:
        yield server, found


def test_every_page_of_a_hostile_file(runs: tuple[Server, list[str]], browser: Browser, tmp_path: Path) -> None:
    server, (run, other) = runs
    with watched(browser) as page:
        page.goto(f"{server.address}/?{urlencode({'run': run, 'with': other})}")
        for where in sights(page):
            expand(page)
            look(page, where)
        visit(page, "Export")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download report.html").click()
        report = tmp_path / "report.html"
        download.value.save_as(report)
    with watched(browser) as page:
        page.goto(report.as_uri())
        page.wait_for_function(DRAWN)
        look(page, "report.html")
        assert "onerror=window.pwned=4" in page.locator("h1").inner_text(), "the name is there, as text"


@pytest.mark.parametrize(("pages", "asked"), ADDRESSES, ids=["run", "others"])
def test_hostile_addresses(
    runs: tuple[Server, list[str]], browser: Browser, pages: tuple[str, ...], asked: dict[str, str]
) -> None:
    server, (run, _) = runs
    said = 0
    with watched(browser) as page:
        for name in pages:
            page.goto(f"{server.address}/{name}?{urlencode({'run': run} | asked)}")
            settle(page)
            look(page, name)
            said += HOST in page.locator("[data-testid=stMain]").inner_text()
    assert said > 2, "what the address says is named"
