"""Every open connection: who waits to be linked, who is online; and what people do to them."""

from __future__ import annotations

import asyncio

from sandbox.protocol import adv
from sandbox.protocol.node import Node
from sandbox.protocol.websocket import WebSocket
from sandbox.server import login, stanzas
from sandbox.server.connection import Connection
from sandbox.server.pairing import Pairing
from sandbox.server.watch import Watch
from sandbox.world.phone import Phone
from sandbox.world.world import World

PATIENCE = 30.0  # seconds for a handshake


class QRExpired(LookupError):
    """No device shows this QR any more."""


class NoCodeWanted(LookupError):
    """No device asked for a pairing code for this number."""


class Switchboard:
    def __init__(self, world: World, watch: Watch) -> None:
        self._world, self._watch = world, watch
        self._pairings: set[Pairing] = set()

    async def serve(self, socket: WebSocket) -> None:
        """One client, from handshake to the end."""
        later = asyncio.get_running_loop().call_later
        connection = Connection(self._world, socket, self._watch, later)
        self._watch.connections += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await connection.handshake()
            if connection.payload.HasField("devicePairingData"):
                await self._pair(connection)
            else:
                login.login(connection)
                await connection.read(stanzas.handle)
        finally:
            self._watch.connections -= 1
            login.logout(connection)

    async def _pair(self, connection: Connection) -> None:
        pairing = Pairing(connection)
        self._pairings.add(pairing)
        try:
            pairing.offer()
            await connection.read(lambda _, stanza: stanzas.handle_while_pairing(pairing, stanza))
        finally:
            self._pairings.discard(pairing)
            pairing.closed()

    # -- what people do ---------------------------------------------------------------------------------------

    def scan(self, phone: Phone, qr: str, broken: adv.Break | None = None) -> asyncio.Future[int]:
        """Point the phone at a QR.  Raises NotALinkingQR or QRExpired; the future has the device number."""
        read = adv.read_qr(qr)
        pairing = next((p for p in self._pairings if read.ref in p.refs), None)
        if pairing is None:
            raise QRExpired("this QR is no longer valid")
        return pairing.accept(phone, read.adv_secret, broken)

    def type_code(self, phone: Phone, code: str) -> asyncio.Future[int]:
        """Type a pairing code on the phone.  Raises NoCodeWanted; the future has the device number."""
        wanted = [p for p in self._pairings if p.code is not None and p.code.phone is phone]
        if not wanted:
            raise NoCodeWanted("no device asked for a code for this number")
        newest = max(wanted, key=lambda p: p.code.since if p.code is not None else 0)
        return newest.type_code(code.replace("-", "").upper())

    def drop(self, phone: Phone) -> None:
        """Cut every connection of the account without a word, as a broken network does."""
        for companion in phone.companions.values():
            if companion.line is not None:
                companion.line.abort()

    def hang(self, phone: Phone) -> None:
        """Every connection of the account stays open and goes silent; new ones work."""
        for companion in phone.companions.values():
            if isinstance(companion.line, Connection):
                companion.line.hang()

    def stream_error(self, phone: Phone, node: Node) -> None:
        for companion in phone.companions.values():
            if companion.line is not None:
                companion.line.end(node)

    def stanza(self, phone: Phone, node: Node) -> None:
        """Anything at all, as if the server said it."""
        for companion in phone.companions.values():
            if companion.line is not None:
                companion.line.send(node)
