"""The way in: an HTTP CONNECT proxy on loopback that ends TLS itself and forwards nothing anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from sandbox.protocol.binary import MalformedStanza
from sandbox.protocol.noise import HandshakeFailed
from sandbox.protocol.websocket import Closed, Malformed, WebSocket, read_head
from sandbox.server import media
from sandbox.world.world import World

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
CHAT_HOST = "web.whatsapp.com"
MEDIA_SUFFIXES = (".whatsapp.net", ".whatsapp.com")
PATIENCE = 30.0  # seconds for the whole way to the WebSocket
BACKLOG = 1024

# What a broken or hostile client can make happen; it ends that client's connection and nothing else.
EXPECTED = (Closed, HandshakeFailed, MalformedStanza, asyncio.IncompleteReadError, TimeoutError, OSError)

Serve = Callable[[WebSocket], Awaitable[None]]


class Door:
    """`serve` is given each WebSocket that comes through."""

    def __init__(self, world: World, serve: Serve, host: str = LOOPBACK) -> None:
        if not ip_address(host).is_loopback or host != LOOPBACK:
            raise ValueError(f"the sandbox listens on {LOOPBACK} alone, never on {host}")
        self._world, self._serve = world, serve
        self._tls = world.tls.server_context()
        self._server: asyncio.Server | None = None
        self._visitors: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self, wanted_port: int) -> None:
        """The wanted port if it is free, else any."""
        try:
            self._server = await asyncio.start_server(self._visit, LOOPBACK, wanted_port, backlog=BACKLOG)
        except OSError:
            if not wanted_port:
                raise
            log.debug("port %s is taken, taking another", wanted_port)
            self._server = await asyncio.start_server(self._visit, LOOPBACK, 0, backlog=BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._visitors):
            writer.transport.abort()
        for _ in range(100):  # their tasks end by themselves; give them a moment to say so
            if not self._visitors:
                break
            await asyncio.sleep(0.01)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visitors.add(writer)
        try:
            await self._let_in(reader, writer)
        except EXPECTED as error:
            log.debug("a connection ended: %r", error, exc_info=error.__cause__ is not None)
        except Exception:
            log.exception("a connection failed")
        finally:
            self._visitors.discard(writer)
            with contextlib.suppress(Exception):
                writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._world.faults.refuse_tcp:
            writer.transport.abort()
            return
        async with asyncio.timeout(PATIENCE):
            host = await self._connect(reader, writer)
            if host is None:
                return
            words, headers = await read_head(reader)
        if self._world.faults.http_status is not None:
            await _respond(writer, media.Answer(self._world.faults.http_status))
        elif host != CHAT_HOST:
            await self._serve_media(reader, writer, words, headers)
        else:
            socket = WebSocket(reader, writer)
            socket.accept(headers)
            await self._serve(socket)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        """The host the client believes to reach; None when it was refused."""
        (method, target, _), _ = await read_head(reader)
        host = target.rsplit(":", 1)[0].lower()
        if method != "CONNECT":
            await _respond(writer, media.Answer(405))
            return None
        if not host.endswith(MEDIA_SUFFIXES):
            await _respond(writer, media.Answer(403))
            return None
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self._tls)
        return host

    async def _serve_media(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        words: list[str],
        headers: dict[str, str],
    ) -> None:
        length = headers.get("content-length", "0")
        size = int(length) if length.isdecimal() else -1
        if not 0 <= size <= media.MAX_BLOB:
            raise Malformed("a blob of impossible size")
        async with asyncio.timeout(PATIENCE):
            body = await reader.readexactly(size)
        found = media.answer(self._world, words[0], words[1], body)
        self._world.settle()
        await _respond(writer, found)


async def _respond(writer: asyncio.StreamWriter, answer: media.Answer) -> None:
    head = (
        f"HTTP/1.1 {answer.status} Sandbox\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + answer.body)
    await writer.drain()
