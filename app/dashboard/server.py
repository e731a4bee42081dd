"""The ASGI application that `streamlit run` starts: the dashboard, its headers, and the end of its worker."""

import re
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

_HERE = str(Path(__file__).resolve().parents[2])
if _HERE not in sys.path:  # `streamlit run` puts only this file's folder there
    sys.path.insert(0, _HERE)

import streamlit as st  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import HTMLResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from streamlit import config  # noqa: E402
from streamlit.file_util import get_static_dir  # noqa: E402

from app import ticks  # noqa: E402
from app.dashboard.navigation import PAGES  # noqa: E402
from app.export import zipped  # noqa: E402
from app.root import ROOT  # noqa: E402
from app.worker import client  # noqa: E402

# Only the browser knows below which path it reaches the server: a proxy may have taken a part of it away.
_SERVER = (
    "<script>window.__streamlit = {BACKEND_BASE_URL: "
    "location.origin + location.pathname.replace(/\\/[^/]*\\/?$/, '')}</script>"
)
# A page is one entry of the browser's history, however much is chosen on it: its address changes in place. And keys
# that Streamlit takes for no shortcut press the buttons of the page Preview, and those of Learn shown to a room; a
# clicker says PageUp and PageDown. A step begins at its top.
_OURS = """<script>{
const push = history.pushState.bind(history);
history.pushState = (...step) =>
    new URL(step[2], location).pathname === location.pathname ? history.replaceState(...step) : push(...step);
const back = "presenting .st-key-step-back", on = "presenting .st-key-step-on";
const buttons = {"[": "one-less", "]": "one-more", u: "undo", ArrowLeft: back, PageUp: back, ArrowRight: on,
    PageDown: on, Escape: "presenting .st-key-present"};
addEventListener("keydown", (pressed) => {
    const chord = (pressed.ctrlKey || pressed.metaKey) && !pressed.getModifierState("AltGraph");  // the browser's own
    const typing = pressed.target.closest("input:not([type=range]), textarea, [contenteditable=true]");
    const moving = /Arrow|Page/.test(pressed.key) && pressed.target.closest("[type=range], [role=slider], "
        + "[role=radiogroup], [role=toolbar], [role=tablist], [role=grid], canvas");
    const button = buttons[pressed.key] && !typing && !chord && !moving
        && document.querySelector(`.st-key-${buttons[pressed.key]} button:enabled`);
    if (button) {
        pressed.preventDefault();
        button.click();
    }
});
addEventListener("click", (clicked) => {
    if (clicked.target.closest?.(".st-key-step, .st-key-step-back, .st-key-step-on"))
        document.querySelector("[data-testid=stMain]").scrollTo(0, 0);
});
}</script>"""
_PLAIN = Path(get_static_dir(), "index.html").read_text(encoding="utf-8")
_FIRST = _PLAIN.replace("<head>", f"<head>{_OURS}", 1)
_PAGE = _FIRST.replace("<head>", f"<head>{_SERVER}", 1)
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]

_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def policy(documents: Iterable[str]) -> str:
    """The Content-Security-Policy under which these HTML documents run, their scripts named by hash.

    Styles are inline in Streamlit and in Plotly. 'self' holds the websocket of the same host, too.
    """
    inline = {script for document in documents for script in _INLINE.findall(document)}
    hashes = sorted(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in inline)
    rules = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", "'wasm-unsafe-eval'", *hashes]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


class Headers:
    """An ASGI application in front of another, whose answers it gives the headers."""

    def __init__(self, app: Application, documents: Iterable[str]) -> None:
        self._app = app
        self._headers = {
            b"content-security-policy": policy(documents).encode(),
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"same-origin",
        }

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [(name, value) for name, value in message["headers"] if name.lower() not in self._headers]
                message = {**message, "headers": [*others, *self._headers.items()]}
            await send(message)

        await self._app(scope, receive, answer)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Ends the worker with the server; killed with -9, the server leaves a worker whose input ends, and it goes too."""
    yield
    if client.shared.cache_info().currsize:
        client.shared().stop()


def document(_: Request) -> HTMLResponse:
    """Streamlit's page for an address that opens one of ours, told where the server is.

    By itself it looks below that address first (/preview/_stcore/health), which is not there, and the browser logs it.
    """
    return HTMLResponse(_PAGE, headers={"Cache-Control": "no-cache"})


def first(_: Request) -> HTMLResponse:
    """The same for the address of the server itself, below which Streamlit looks rightly."""
    return HTMLResponse(_FIRST, headers={"Cache-Control": "no-cache"})


ticks.give_way()
_base = "/".join(["", *filter(None, str(config.get_option("server.baseUrlPath")).split("/"))])
routes = [
    Route(f"{_base}/", first),
    Route(f"{_base}/{zipped.WHERE}/{{token}}", zipped.answer),
    *(Route(f"{_base}/{page.stem}", document) for page in sorted(PAGES.glob("*.py"))),
]
app = st.App(
    ROOT / "app" / "dashboard" / "main.py",
    lifespan=lifespan,
    routes=routes,
    middleware=[Middleware(Headers, documents=(_PLAIN, _PAGE))],
)
