"""One client's connection: the handshake, frames in and out, and which handler a stanza goes to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.protocol.binary import decode, encode
from sandbox.protocol.node import JID, SERVER_JID, Node
from sandbox.protocol.noise import Handshake, Transport
from sandbox.protocol.websocket import Malformed, WebSocket
from sandbox.server.watch import Watch
from sandbox.world.companion import Companion
from sandbox.world.phone import Phone
from sandbox.world.world import World

log = logging.getLogger(__name__)

HEADER = 4  # "WA", then the protocol's two version bytes
LENGTH = 3
MAX_BACKLOG = 17 << 20  # a frame's length has 24 bits


class Connection:
    """Before login it has neither account nor companion."""

    def __init__(self, world: World, socket: WebSocket, watch: Watch, later: Callable[..., object]) -> None:
        self.world, self.watch = world, watch
        self._socket, self._later = socket, later
        self._transport: Transport | None = None
        self.noise_pub = b""
        self.payload: Any = None
        self._account: Phone | None = None
        self._companion: Companion | None = None
        self.is_active = False
        self.is_half_open = False

    # -- who is there -----------------------------------------------------------------------------------------

    def belongs_to(self, account: Phone, companion: Companion) -> None:
        self._account, self._companion = account, companion
        companion.line, companion.is_present = self, False

    @property
    def is_logged_in(self) -> bool:
        return self._companion is not None

    @property
    def account(self) -> Phone:
        if self._account is None:
            raise Malformed("a stanza that only a linked device may send")
        return self._account

    @property
    def companion(self) -> Companion:
        if self._companion is None:
            raise Malformed("a stanza that only a linked device may send")
        return self._companion

    @property
    def jid(self) -> JID:
        return JID(self.account.number, self.account.jid.server, self.companion.device)

    @property
    def lid(self) -> JID:
        return JID(self.account.owner.lid, self.account.lid.server, self.companion.device)

    # -- in ---------------------------------------------------------------------------------------------------

    async def handshake(self) -> None:
        first = await self._socket.receive()
        noise = Handshake(self.world.authority, first[:HEADER])
        hello = noise.server_hello(first[HEADER + LENGTH :])
        self._socket.send(len(hello).to_bytes(LENGTH, "big") + hello)
        finish = await self._socket.receive()
        self.noise_pub, self.payload = noise.client_finish(finish[LENGTH:])
        self._transport = noise.transport()

    async def read(self, handle: Callable[[Connection, Node], None]) -> None:
        """Until the client goes away; the order of stanzas is kept."""
        backlog = b""
        while True:
            backlog += await self._socket.receive()
            if len(backlog) > MAX_BACKLOG:
                raise Malformed("an endless frame")
            frames, backlog = _split(backlog)
            for frame in frames:
                self._take(decode(self._open(frame)), handle)

    def _take(self, stanza: Node, handle: Callable[[Connection, Node], None]) -> None:
        if self.is_half_open:
            return
        self.watch.stanza("in", self, stanza)
        try:
            handle(self, stanza)
        except (ValueError, LookupError) as error:
            raise Malformed(f"<{stanza.tag}> of a shape that no client sends") from error

    def _open(self, frame: bytes) -> bytes:
        if self._transport is None:
            raise Malformed("a stanza before the handshake")
        return self._transport.open(frame)

    # -- out --------------------------------------------------------------------------------------------------

    def send(self, node: Node) -> None:
        """Leaves once everything that led to it is kept."""
        self.world.after_commit(partial(self._write, node))

    def _write(self, node: Node) -> None:
        if self._transport is not None and not self.is_half_open:
            self.watch.stanza("out", self, node)
            data = self._transport.seal(encode(node))
            self._socket.send(len(data).to_bytes(LENGTH, "big") + data)

    def end(self, node: Node | None = None) -> None:
        """Say why, then hang up a little later."""
        self.is_active = False
        if node is not None:
            self.send(node)
        delay = self.world.faults.close_delay if node is not None else 0
        self.world.after_commit(partial(self._hang_up, delay))

    def _hang_up(self, delay: float) -> None:
        if not self.is_half_open:
            self._later(delay, self._socket.close)

    def hang(self) -> None:
        """As when a machine on the way has gone: it stays open, and nothing comes through any more, either way."""
        self.is_half_open = True

    def abort(self) -> None:
        self._socket.abort()

    # -- answers to requests ----------------------------------------------------------------------------------

    def reply(self, request: Node, content: list[Node] | None = None) -> None:
        if request.text("xmlns") not in self.world.faults.mute_xmlns:
            source = request.jid("to") or SERVER_JID
            self.send(Node("iq", {"from": source, "type": "result", "id": request.text("id")}, content))

    def refuse(self, request: Node, code: int, text: str) -> None:
        source = request.jid("to") or SERVER_JID
        error = Node("error", {"code": str(code), "text": text})
        self.send(Node("iq", {"from": source, "type": "error", "id": request.text("id")}, [error]))


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames, and the beginning of the next."""
    frames, at = [], 0
    while len(data) >= at + LENGTH:
        end = at + LENGTH + int.from_bytes(data[at : at + LENGTH], "big")
        if len(data) < end:
            break
        frames.append(data[at + LENGTH : end])
        at = end
    return frames, data[at:]
