"""Behind a reverse proxy: every page, deep link and reload, with the path that the proxy takes away or hands on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect

from core.records.spec import RunSpec
from tests.support.browser import LINKS, TITLE, Server, names, serving, settle, visit, visitor
from tests.support.finished import Finished


@contextmanager
def proxy(upstream: str, below: str, handed_on: str) -> Iterator[str]:
    """Answers below the path `below` with what a server answers below `handed_on`, websockets too; gives its address.

    Any other path is not found, as on a host with other services.
    """
    port = int(upstream.split(":")[2].split("/")[0])
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, port, below.encode(), handed_on.encode()), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{below}"
    finally:
        listener.close()


def _accept(listener: socket.socket, port: int, below: bytes, handed_on: bytes) -> None:
    with suppress(OSError):
        while True:
            browser, _ = listener.accept()
            threading.Thread(target=_pass, args=(browser, port, below, handed_on), daemon=True).start()


def _pass(browser: socket.socket, port: int, below: bytes, handed_on: bytes) -> None:
    with suppress(OSError), browser, socket.create_connection(("127.0.0.1", port)) as server:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := browser.recv(65536)):
                return
            head += more
        method, path, rest = head.split(b" ", 2)
        if not path.startswith(below + b"/"):
            browser.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if b"upgrade: websocket" not in rest.lower():  # one request a connection
            rest = rest.replace(b"\r\nConnection: keep-alive", b"\r\nConnection: close", 1)
        server.sendall(b" ".join((method, handed_on + path.removeprefix(below), rest)))
        threading.Thread(target=_pump, args=(browser, server), daemon=True).start()
        _pump(server, browser)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def walk(browser: Browser, address: str) -> None:
    """Every page by its link, some by their addresses, and once more by a reload; nothing fails on the way."""
    with visitor(browser) as page:
        page.goto(f"{address}/")
        for name in names(page):
            visit(page, name)
            assert page.url.startswith(f"{address}/")
    with visitor(browser) as page:
        page.goto(f"{address}/contributions?layer=7")
        settle(page)
        expect(page.get_by_role("heading", name="Layer 7")).to_be_visible()
        page.reload()
        settle(page)
        expect(page.get_by_role("heading", name="Layer 7")).to_be_visible()
        addresses = [link.get_attribute("href") for link in page.locator(LINKS).all()]
        assert len(addresses) == 7
        addresses = [urljoin(f"{address}/", link) for link in addresses]
        assert all(link.startswith(f"{address}/") for link in addresses)
        for link in (addresses[0], addresses[-1]):  # the server gives one file for the addresses of all pages
            page.goto(link)
            settle(page)
            expect(page.locator(TITLE)).to_have_count(1)
            assert page.url.startswith(address)


def test_a_proxy_that_takes_its_path_away(dashboard: Server, browser: Browser) -> None:
    with proxy(dashboard.address, "/lab/tools/quorum", "") as address:
        walk(browser, address)


def test_a_proxy_that_hands_its_path_on(finished: Finished, cache_file: Path, spec: RunSpec, browser: Browser) -> None:
    finished(spec)
    with serving(cache_file, prefix="/quorum") as server, proxy(server.address, "/quorum", "/quorum") as address:
        walk(browser, address)


@pytest.mark.parametrize("path", ["/", "/preview", "/_stcore/health", "/favicon.png", "/no-such-page", "/static/none"])
def test_every_answer_has_its_headers(dashboard: Server, path: str) -> None:
    with suppress(OSError):
        answer = urlopen(dashboard.address + path, timeout=30)
        rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
        assert rules["default-src"] == "'self'" and rules["object-src"] == "'none'"
        assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == rules["connect-src"] == "'self'"
        assert "unsafe-inline" not in rules["script-src"] and "'unsafe-eval'" not in rules["script-src"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        return
    pytest.fail(f"{path} is not answered")
