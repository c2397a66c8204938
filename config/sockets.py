"""WebSockets on their way to a consumer: whose host was asked, and whether a browser's cookie may be believed."""

from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.core.exceptions import DisallowedHost
from django.urls import re_path

from tenants.context import run_in_public
from tenants.hosts import company_of_host
from wharf.errors import Kind
from wharf.meanings import MEANINGS
from whatsapp.routing import websocket_urlpatterns


async def close_unknown(scope: Any, receive: Any, send: Any) -> None:
    """For paths that no consumer has: refused before the handshake, which a client sees as HTTP 403."""
    await receive()
    await send({"type": "websocket.close", "code": MEANINGS[Kind.NOT_FOUND].ws_close})


_routed: Any = URLRouter([*websocket_urlpatterns, re_path(r"", close_unknown)])  # type: ignore[list-item,arg-type]
_with_session: Any = AuthMiddlewareStack(_routed)


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """Sets `scope["host_company"]`; `scope["user"]` and `["session"]` are there only for pages of this very host.

    Browsers send cookies with a socket that any site opens, so a session is believed only when the page came from here.
    Clients with a token come from anywhere.
    """
    headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    try:
        company = await database_sync_to_async(run_in_public)(company_of_host, host)
    except DisallowedHost:
        await close_unknown(scope, receive, send)
        return
    own_page = urlsplit(headers.get("origin", "")).netloc == host != ""
    inner = _with_session if own_page else _routed
    await inner({**scope, "host_company": company}, receive, send)
