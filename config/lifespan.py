"""What a server says to us when it starts and stops."""

from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from django.db import connections

from wharf import ending
from wharf.readiness import get_ready


async def lifespan(receive: ASGIReceiveCallable, send: ASGISendCallable, at_end: Callable[[], Awaitable[None]]) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            ending.listen()
            await sync_to_async(get_ready)()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await at_end()
            await sync_to_async(_close_pools)()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _close_pools() -> None:
    """Their threads would hold the process back for seconds."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
