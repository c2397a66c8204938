"""The door of Socket.IO: what comes in is checked, limited and, for older clients, translated; then the server has it.

The server behind it is python-socketio's, which speaks Engine.IO 4 alone, and which takes a client's frames at their
word. Nothing of the address but what the protocol needs goes further, so that no token of an address can be logged.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlencode
from weakref import WeakKeyDictionary

import socketio
from engineio import packet
from engineio.payload import Payload

from whatsapp.socketio import wire
from whatsapp.socketio.pace import Pace
from whatsapp.socketio.repeats import Repeats

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: The longest body or frame of a client: a text of 4096 characters, however it is escaped, and its envelope.
MAX_BYTES: Final = 64 * 1024
#: A held request is answered after so long at the latest: a server that is asked to stop waits for those it holds.
POLL_SECONDS: Final = 4.0
#: A connection that joins no namespace ends (seed contract 2.1, connectTimeout).
JOIN_SECONDS: Final = 20.0
#: Far more than any page sends; beyond it the connection ends. Events have a gentler limit before this one.
FRAMES_A_SECOND: Final = 100
FRAMES_AT_ONCE: Final = 500
#: The library's own limit drops what a client wrote while it was connecting.
Payload.max_decode_packets = FRAMES_AT_ONCE


class Visit:
    """One engine connection, whatever transports it goes through."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._pace = Pace(rate=FRAMES_A_SECOND, burst=FRAMES_AT_ONCE)
        self._repeats = Repeats()

    def taken(self, frame: wire.Frame) -> tuple[str | None, str | None]:
        """A client's frame for the server, and the answer that it gets here. Raises Rubbish, also for too many."""
        if not self._pace.allows() or len(frame) > MAX_BYTES:
            raise wire.Rubbish
        if self.version == 3 and frame == wire.PING:
            return wire.PONG, wire.PONG
        translated = wire.from_3(frame) if self.version == 3 else frame
        checked = None if translated is None else wire.checked(translated)
        again = self._again(checked) if checked else None
        return (None, again) if again else (checked, None)

    def forget_answers(self) -> None:
        self._repeats.forget()

    def _again(self, frame: str) -> str | None:
        """The answer to an event that was answered already."""
        if (event := wire.numbered(frame, wire.EVENT)) is None:
            return None
        namespace, number, data = event
        answer = self._repeats.known_answer(namespace + data, number)
        return None if answer is None else wire.answer_frame(namespace, number, answer)

    def given(self, frame: str) -> str | None:
        """The server's frame for the client; None for nothing."""
        if answer := wire.numbered(frame, wire.ACK):
            self._repeats.answered(answer[1], answer[2])
        return wire.to_3(frame) if self.version == 3 else frame


class Gate:
    """An ASGI application for `/socket.io/`."""

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._server = server
        self._engine = server.eio
        self._visits: WeakKeyDictionary[Any, Visit] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        query = parse_qs(scope.get("query_string", b"").decode("latin1"))
        asked = {name: query[name][0] for name in ("EIO", "transport", "sid") if name in query}
        if "j" in query or asked.get("EIO") not in ("3", "4"):
            await _refuse(scope, receive, send)
            return
        visit = self._visit(asked.get("sid"), int(asked["EIO"]))
        inner = {**scope, "query_string": urlencode(asked | {"EIO": "4"}).encode()}
        if scope["type"] == "websocket":
            await self._socket(visit, inner, receive, send)
        elif scope["method"] == "POST":
            await self._post(visit, asked.get("sid", ""), inner, receive, send)
        elif scope["method"] == "GET":
            await self._get(visit, asked.get("sid", ""), inner, receive, send)
        else:
            await self._engine.handle_request(inner, receive, send)

    def _visit(self, sid: str | None, version: int) -> Visit:
        known = self._engine.sockets.get(sid) if sid else None
        return self._visits.get(known) or Visit(version) if known else Visit(version)

    def forget_answers(self, sid: str) -> None:
        """Rights have changed: nothing is answered again from memory."""
        if visit := self._visits.get(self._engine.sockets.get(sid)):
            visit.forget_answers()

    async def _welcome(self, visit: Visit, frame: str) -> None:
        """The server has opened a connection. An older client has to be joined to `/`, for which it does not ask."""
        sid = json.loads(frame[1:])["sid"]
        if (opened := self._engine.sockets.get(sid)) is None:
            return
        self._visits[opened] = visit
        self._start(self._watch(sid))
        if visit.version == 3:
            await self._engine.handlers["message"](sid, wire.CONNECT)

    async def _watch(self, sid: str) -> None:
        await asyncio.sleep(JOIN_SECONDS)
        joined = (self._server.manager.sid_from_eio_sid(sid, name) for name in self._server.manager.get_namespaces())
        if not any(joined):
            await self._drop(sid)

    async def _drop(self, sid: str) -> None:
        """Not the library's `disconnect`: that waits until a client has fetched what it is told."""
        if known := self._engine.sockets.get(sid):
            await known.close(wait=False)

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._server.shutdown()

    # -- polling ---------------------------------------------------------------------------------------------------
    async def _get(self, visit: Visit, sid: str, scope: Any, receive: Receive, send: Send) -> None:
        parts: list[Message] = []

        async def keep(message: Message) -> None:
            parts.append(message)

        ending = self._start(self._end_poll(sid)) if sid else None
        try:
            await self._engine.handle_request(scope, receive, keep)
        finally:
            if ending:
                ending.cancel()
        head, body = parts[0], parts[-1]
        if head["status"] == 200:
            frames = body["body"].decode().split(wire.SEPARATOR) if body["body"] else []
            given = [frame for each in frames if (frame := visit.given(each)) is not None]
            body = {**body, "body": wire.packed(given, visit.version)}
        await send(head)
        await send(body)
        if head["status"] == 200 and not sid:
            await self._welcome(visit, frames[0])

    async def _end_poll(self, sid: str) -> None:
        await asyncio.sleep(POLL_SECONDS)
        await self._engine.send_packet(sid, packet.Packet(packet.NOOP))

    async def _post(self, visit: Visit, sid: str, scope: Any, receive: Receive, send: Send) -> None:
        try:
            taken = [visit.taken(frame) for frame in wire.unpacked(await _body(receive), visit.version)]
        except wire.Rubbish:
            await self._drop(sid)
            await _refuse(scope, receive, send)
            return
        if (known := self._engine.sockets.get(sid)) is None or known.closed:
            await _refuse(scope, receive, send)
            return
        for _, answer in taken:
            if answer is not None:
                await self._engine.send_packet(sid, packet.Packet(encoded_packet=answer))
        body = wire.SEPARATOR.join(frame for frame, _ in taken if frame is not None).encode()
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._engine.handle_request({**scope, "headers": headers}, _said(body, receive), send)

    # -- WebSocket ---------------------------------------------------------------------------------------------------
    async def _socket(self, visit: Visit, scope: Any, receive: Receive, send: Send) -> None:
        """Frame by frame. Rubbish ends the connection, as its own end would."""
        is_new = b"sid=" not in scope["query_string"]

        async def take() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                frame: wire.Frame = message.get("bytes") or message.get("text") or ""
                try:
                    taken, answer = visit.taken(frame)
                except wire.Rubbish:
                    return {"type": "websocket.disconnect", "code": 1003}
                if answer is not None:
                    await send({"type": "websocket.send", "text": answer})
                if taken is not None:
                    return {"type": "websocket.receive", "text": taken}

        async def give(message: Message) -> None:
            if message["type"] != "websocket.send":
                await send(message)
                return
            frame = visit.given(message["text"])
            if frame is not None:
                await send({"type": "websocket.send", "text": frame})
            if is_new and message["text"].startswith("0"):
                await self._welcome(visit, message["text"])

        await self._engine.handle_request(scope, take, give)


async def _body(receive: Receive) -> bytes:
    """Raises Rubbish for one that is too long."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BYTES:
            raise wire.Rubbish
        if not message.get("more_body"):
            return body


def _said(body: bytes, receive: Receive) -> Receive:
    """`receive` of a request whose body is read already."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _refuse(scope: Any, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        with contextlib.suppress(Exception):
            await receive()
            await send({"type": "websocket.close", "code": 1003})
        return
    headers = [(b"content-type", b"text/plain"), (b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": b"This is no request of Engine.IO 3 or 4"})
