"""A Socket.IO connection made of bare frames, against the application itself: no server, no library, no node.

async with Raw(token) as raw:
    assert raw.refusal == ""                         # or what the connection was refused with
    answer = await raw.calls("whatsapp:get_chats", {"sessionId": "x"})
    raw.heard                                        # [(event, payload), ...] so far
"""

import json
from types import TracebackType
from typing import Any

from asgiref.testing import ApplicationCommunicator

from config.asgi import dispatcher
from whatsapp.socketio.server import SocketIO

NAMESPACE = "/whatsapp,"


class Raw:
    def __init__(self, token: str | None, *, version: int = 4, host: str = "testserver") -> None:
        self.refusal = ""
        self.heard: list[tuple[str, Any]] = []
        self._socket_io = SocketIO()
        self._token = token
        self._number = 0
        headers = {"host": host, "upgrade": "websocket", "connection": "Upgrade"}
        self._communicator: Any = ApplicationCommunicator(  # type: ignore[no-untyped-call]
            dispatcher(self._socket_io),
            {
                "type": "websocket",
                "path": "/socket.io/",
                "query_string": f"EIO={version}&transport=websocket".encode(),
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
                "subprotocols": [],
            },
        )

    async def __aenter__(self) -> "Raw":
        await self._communicator.send_input({"type": "websocket.connect"})
        assert (await self._output())["type"] == "websocket.accept"
        assert (await self.frame())[0] == "0"
        auth = json.dumps({"token": self._token}) if self._token is not None else ""
        await self.send(f"40{NAMESPACE}{auth}")
        answer = await self.frame()
        if answer.startswith("44"):
            self.refusal = json.loads(answer.removeprefix(f"44{NAMESPACE}"))["message"]
        else:
            await self.hears("connection-confirmed")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._communicator.wait(10)
        await self._socket_io.close()

    async def _output(self, seconds: float = 10) -> Any:
        return await self._communicator.receive_output(seconds)

    async def send(self, frame: str | bytes) -> None:
        part = {"bytes": frame} if isinstance(frame, bytes) else {"text": frame}
        await self._communicator.send_input({"type": "websocket.receive", **part})

    async def frame(self) -> str:
        message = await self._output()
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    async def is_ended(self) -> bool:
        """What comes next is the end."""
        return bool((await self._output())["type"] == "websocket.close")

    async def calls(self, event: str, *args: Any) -> Any:
        self._number += 1
        await self.send(f"42{NAMESPACE}{self._number}{json.dumps([event, *args])}")
        start = f"43{NAMESPACE}{self._number}["
        while not (frame := await self.frame()).startswith(start):
            self._note(frame)
        answer = json.loads(frame[len(start) - 1 :])
        return answer[0] if answer else None

    async def hears(self, event: str) -> Any:
        while True:
            for heard in self.heard:
                if heard[0] == event:
                    self.heard.remove(heard)
                    return heard[1]
            self._note(await self.frame())

    def _note(self, frame: str) -> None:
        if frame.startswith(f"42{NAMESPACE}"):
            event, *args = json.loads(frame.removeprefix(f"42{NAMESPACE}"))
            self.heard.append((event, args[0] if args else None))

    async def is_silent(self, seconds: float = 0.1) -> bool:
        return bool(await self._communicator.receive_nothing(seconds))
