"""The one place where a connection finds its handler: HTTP goes to Django, WebSockets to their consumers.

Django is set up by the first line that runs here, so everything that needs models is imported after it.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from config.lifespan import lifespan  # noqa: E402
from config.sockets import websocket  # noqa: E402


async def application(scope: Any, receive: Any, send: Any) -> None:
    match scope["type"]:
        case "http":
            await http(scope, receive, send)
        case "websocket":
            await websocket(scope, receive, send)
        case "lifespan":
            await lifespan(receive, send)
