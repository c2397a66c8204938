"""WebSocket frames that leave together: what is said in one go is one call of the system and not one a frame.

A set of messages is told event by event, and each call costs us, and whoever reads, more than making the frame.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: More is not gathered, or nobody could say that the reader is too slow.
MOST_BYTES: Final = 64 * 1024


class Gathering:
    """A transport that keeps what is written until the event loop comes round; the rest is as `transport` has it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._unsent: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self.flush)
        self._unsent.append(data)
        self._size += len(data)
        if self._size > MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        unsent, self._unsent, self._size = self._unsent, [], 0
        if unsent:
            self._transport.write(b"".join(unsent))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GatheringProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own, over such a transport."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast(asyncio.Transport, Gathering(transport)))
