"""The server's side of a WebSocket, binary messages only, every size bounded."""

from __future__ import annotations

import asyncio
import base64
import hashlib

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FINAL, MASKED = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAX_MESSAGE = 16 << 20
MAX_UNREAD = 32 << 20  # bytes we hold for a client that has stopped reading


class Closed(Exception):
    """The conversation is over, politely or not."""


class Malformed(Closed):
    """Bytes that no client of ours sends."""


async def read_head(reader: asyncio.StreamReader) -> tuple[list[str], dict[str, str]]:
    """The three words of an HTTP request line, and the headers."""
    try:
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise Malformed("endless HTTP head") from error
    first, *rest = raw.rstrip("\r\n").split("\r\n")
    words = first.split()
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise Malformed("not HTTP")
    lines = (line.partition(":") for line in rest)
    return words, {name.strip().lower(): value.strip() for name, _, value in lines}


class WebSocket:
    """Both directions of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._unsent: list[bytes] = []

    def accept(self, headers: dict[str, str]) -> None:
        if "sec-websocket-key" not in headers:
            raise Malformed("not a WebSocket upgrade")
        digest = hashlib.sha1((headers["sec-websocket-key"] + GUID).encode(), usedforsecurity=False).digest()
        self._writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    async def receive(self) -> bytes:
        message = b""
        while True:
            final, kind, data = await self._read_frame(MAX_MESSAGE - len(message))
            if kind == CLOSE:
                raise Closed
            if kind == PING:
                self._frame(PONG, data)
            elif kind in (CONTINUATION, TEXT, BINARY):
                message += data
                if final:
                    return message

    async def _read_frame(self, room: int) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        if size > room:
            raise Malformed(f"a frame of {size} bytes")
        mask = await self._reader.readexactly(4) if second & MASKED else b""
        data = await self._reader.readexactly(size)
        return bool(first & FINAL), first & 15, _unmask(data, mask)

    def _frame(self, kind: int, data: bytes) -> None:
        """What is said in one go leaves in one go: a call of the system for each costs both ends more than the rest."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(bytes([FINAL | kind]) + _size(len(data)) + data)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._writer.is_closing():
            self._writer.write(b"".join(unsent))
            if self._writer.transport.get_write_buffer_size() > MAX_UNREAD:
                self.abort()

    def send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._frame(BINARY, data)

    def close(self) -> None:
        if not self._writer.is_closing():
            self._frame(CLOSE, (1000).to_bytes(2, "big"))
            self._flush()
            self._writer.close()

    def abort(self) -> None:
        """Cut without a word, as a broken network does; what was said is on its way already."""
        self._flush()
        self._writer.transport.abort()


def _unmask(data: bytes, mask: bytes) -> bytes:
    n = len(data)
    if not mask or not n:
        return data
    repeated = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(n, "big")


def _size(n: int) -> bytes:
    if n < 126:
        return bytes([n])
    return b"\x7e" + n.to_bytes(2, "big") if n < 1 << 16 else b"\x7f" + n.to_bytes(8, "big")
