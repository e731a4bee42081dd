"""What every answer of the server tells browsers: to run, fetch and frame nothing that is not the dashboard's own."""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from hashlib import sha256
from typing import Any

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
