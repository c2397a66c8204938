"""A WebSocket client that talks to an ASGI application without a server.

socket = Socket(application, "/ws/whatsapp/", origin="http://testserver")
assert await socket.connect() is None       # or the code it was closed with
await socket.send({"type": "subscribe"})
assert await socket.receive() == {...}
await socket.disconnect()
"""

import json
from typing import Any
from urllib.parse import urlsplit

from asgiref.testing import ApplicationCommunicator


class Socket:
    def __init__(
        self,
        application: Any,
        url: str,
        *,
        host: str = "testserver",
        origin: str = "",
        cookie: str = "",
        headers: dict[str, str] | None = None,
        **scope: Any,
    ) -> None:
        sent = {"host": host, "origin": origin, "cookie": cookie, **(headers or {})}
        self._communicator: Any = ApplicationCommunicator(  # type: ignore[no-untyped-call]
            application,
            {
                "type": "websocket",
                "path": urlsplit(url).path,
                "query_string": urlsplit(url).query.encode(),
                "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items() if value],
                "subprotocols": [],
                "client": ("127.0.0.1", 5000),
                **scope,
            },
        )

    async def connect(self) -> int | None:
        """None when accepted, else the code it was closed with."""
        await self._communicator.send_input({"type": "websocket.connect"})
        answer = await self._communicator.receive_output(10)
        return None if answer["type"] == "websocket.accept" else int(answer.get("code", 1000))

    async def send(self, content: Any) -> None:
        await self.send_text(json.dumps(content))

    async def send_text(self, text: str) -> None:
        await self._communicator.send_input({"type": "websocket.receive", "text": text})

    async def receive(self, seconds: float = 10) -> Any:
        """The next message; fails when the socket is closed instead."""
        answer = await self._communicator.receive_output(seconds)
        assert answer["type"] == "websocket.send", answer
        return json.loads(answer["text"])

    async def closed(self, seconds: float = 10) -> int:
        """The code it is closed with."""
        answer = await self._communicator.receive_output(seconds)
        assert answer["type"] == "websocket.close", answer
        return int(answer.get("code", 1000))

    async def is_silent(self, seconds: float = 0.1) -> bool:
        return bool(await self._communicator.receive_nothing(seconds))

    async def disconnect(self, code: int = 1000) -> None:
        await self._communicator.send_input({"type": "websocket.disconnect", "code": code})
        await self._communicator.wait(10)
