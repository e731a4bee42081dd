"""The ASGI application that `streamlit run` starts: the dashboard, and the end of its worker."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # `streamlit run` puts only this file's folder there
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app import jobs  # noqa: E402


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Ends the worker with the server; killed with -9, the server leaves a worker whose input ends, and it goes too."""
    yield
    if jobs.shared.cache_info().currsize:
        jobs.shared().stop()


app = st.App(ROOT / "app" / "main.py", lifespan=lifespan)
