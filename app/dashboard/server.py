"""The ASGI application that `streamlit run` starts: the dashboard, its headers, and the end of its worker."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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

from app.dashboard.headers import Headers  # noqa: E402
from app.dashboard.navigation import PAGES  # noqa: E402
from app.root import ROOT  # noqa: E402
from app.worker import client  # noqa: E402

# Only the browser knows below which path it reaches the server: a proxy may have taken a part of it away.
_SERVER = (
    "<script>window.__streamlit = {BACKEND_BASE_URL: "
    "location.origin + location.pathname.replace(/\\/[^/]*\\/?$/, '')}</script>"
)
_PLAIN = Path(get_static_dir(), "index.html").read_text(encoding="utf-8")
_PAGE = _PLAIN.replace("<head>", f"<head>{_SERVER}", 1)


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


_base = "/".join(["", *filter(None, str(config.get_option("server.baseUrlPath")).split("/"))])
routes = [Route(f"{_base}/{page.stem}", document) for page in sorted(PAGES.glob("*.py"))]
app = st.App(
    ROOT / "app" / "dashboard" / "main.py",
    lifespan=lifespan,
    routes=routes,
    middleware=[Middleware(Headers, documents=(_PLAIN, _PAGE))],
)
