"""Who may ask: programs and pages on this machine only, and nobody's web page behind their back."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.control.errors import respond

LOCAL_NAMES = ("127.0.0.1", "localhost")
SAFE = ("GET", "HEAD", "OPTIONS")
MAX_BODY = 12 << 20


class Guard:
    """ASGI middleware.

    A foreign name in Host is DNS rebinding; a foreign Origin on a request that changes things is another site's
    page.  Bodies are bounded whether or not they announce their size.
    """

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY) -> None:
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not is_local(headers.get("host", "")):
            await respond(403, "wrong_host", "Ask for 127.0.0.1 or localhost.")(scope, receive, send)
        elif scope["method"] not in SAFE and not _is_own_page(headers):
            await respond(403, "wrong_origin", "Pages of other sites may not do this.")(scope, receive, send)
        else:
            await self._bounded(scope, receive, send, headers)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """The body is read here, whole; a body that is too large never reaches the application."""
        length = headers.get("content-length", "0")
        body, more = b"", scope["method"] not in SAFE and not _is_more_than(length, self._max_body)
        too_large = not more and scope["method"] not in SAFE
        while more and not too_large:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more, too_large = message.get("more_body", False), len(body) > self._max_body
        if too_large:
            await respond(413, "too_large", f"At most {self._max_body} bytes.")(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)


def is_local(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower() in LOCAL_NAMES


def _is_own_page(headers: Headers) -> bool:
    """Programs send no Origin; browsers always do when it is another site's page."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _is_more_than(length: str, limit: int) -> bool:
    return not length.isdecimal() or int(length) > limit


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
