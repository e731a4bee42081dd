"""The ASGI application that `streamlit run` starts: the dashboard, and the end of its worker."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_HERE = str(Path(__file__).resolve().parents[2])
if _HERE not in sys.path:  # `streamlit run` puts only this file's folder there
    sys.path.insert(0, _HERE)

import streamlit as st  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import HTMLResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from streamlit.file_util import get_static_dir  # noqa: E402

from app.dashboard.navigation import PAGES  # noqa: E402
from app.root import ROOT  # noqa: E402
from app.worker import client  # noqa: E402

_SERVER = "<script>window.__streamlit = {BACKEND_BASE_URL: location.origin}</script>"


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
    page = Path(get_static_dir(), "index.html").read_text(encoding="utf-8")
    return HTMLResponse(page.replace("<head>", f"<head>{_SERVER}", 1), headers={"Cache-Control": "no-cache"})


routes = [Route(f"/{page.stem}", document) for page in sorted(PAGES.glob("*.py"))]
app = st.App(ROOT / "app" / "dashboard" / "main.py", lifespan=lifespan, routes=routes)
