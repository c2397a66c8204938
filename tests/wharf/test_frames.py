"""WebSocket frames leave together, and all of them leave."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from config.stack.plan import FRAMES
from wharf.frames import MOST_BYTES, Gathering

Message = dict[str, Any]


class Wire:
    """What a transport is called with."""

    def __init__(self) -> None:
        self.calls: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append("closed")


async def a_moment() -> None:
    await asyncio.sleep(0)


def gathered(act: Callable[[Gathering], Awaitable[None]]) -> list[bytes | str]:
    wire = Wire()
    asyncio.run(act(Gathering(wire)))  # type: ignore[arg-type]
    return wire.calls


def test_what_is_written_in_one_go_leaves_in_one_call_and_in_order() -> None:
    async def act(transport: Gathering) -> None:
        for data in (b"a", b"b", b"c"):
            transport.write(data)
        await a_moment()
        transport.write(b"d")
        await a_moment()

    assert gathered(act) == [b"abc", b"d"]


def test_more_than_a_reader_should_be_spared_is_not_gathered() -> None:
    async def act(transport: Gathering) -> None:
        transport.write(b"a")
        transport.write(b"b" * MOST_BYTES)
        transport.write(b"c")
        await a_moment()

    assert gathered(act) == [b"a" + b"b" * MOST_BYTES, b"c"]


def test_the_last_words_leave_before_the_end() -> None:
    async def act(transport: Gathering) -> None:
        transport.write(b"bye")
        transport.close()

    assert gathered(act) == [b"bye", "closed"]


async def _three_and_goodbye(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    for number in range(3):
        await send({"type": "websocket.send", "text": f"event {number}"})
    await send({"type": "websocket.close", "code": 1000})


def test_a_client_hears_every_frame_and_the_end() -> None:
    async def listen() -> list[str | bytes]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(_three_and_goodbye, ws=FRAMES, lifespan="off", log_level="warning"))
            serving = asyncio.create_task(server.serve([listener]))
            heard: list[str | bytes] = []
            async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}", proxy=None) as client:
                try:
                    while True:
                        heard.append(await asyncio.wait_for(client.recv(), 10))
                except ConnectionClosedOK:
                    server.should_exit = True
            await serving
            return heard

    assert asyncio.run(listen()) == ["event 0", "event 1", "event 2"]
