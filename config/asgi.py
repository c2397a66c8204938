"""The one place where a connection finds its handler: HTTP goes to Django, WebSockets to their consumers, Socket.IO's
path to its server, over both.

Django is set up by the first line that runs here, so everything that needs models is imported after it.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup(set_prefix=False)

from config.http import OneThread  # noqa: E402
from config.lifespan import lifespan  # noqa: E402
from config.sockets import websocket  # noqa: E402
from wharf.clients import coming_from  # noqa: E402
from whatsapp.api.addresses import PATH  # noqa: E402
from whatsapp.socketio.server import SocketIO  # noqa: E402

Application = Callable[[Any, Any, Any], Awaitable[None]]

http = OneThread()


def dispatcher(socket_io: SocketIO) -> Application:
    """The application of one process; `socket_io` belongs to its event loop."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        match scope["type"]:
            case "http" | "websocket" if f"{scope['path'].rstrip('/')}/" == PATH:
                # Django has a middleware for it.
                with coming_from((scope.get("client") or ("",))[0]):
                    await socket_io(scope, receive, send)
            case "http":
                await http(scope, receive, send)
            case "websocket":
                await websocket(scope, receive, send)
            case "lifespan":
                await lifespan(receive, send, at_end=socket_io.close)

    return application


application = dispatcher(SocketIO())
