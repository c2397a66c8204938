"""The server's side of Noise_XX_25519_AESGCM_SHA256, and the certificate chain that goes with it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from sandbox.protocol.crypto import hkdf
from sandbox.protocol.curve import KeyPair
from sandbox.protocol.protos import cert, wa6

PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
PROLOGUE = b"WA"
DAY = 86400
YEARS_10 = 3650 * DAY


class HandshakeFailed(Exception):
    """The peer does not speak Noise XX, or not to us."""


@dataclass
class Authority:
    """Root key -> intermediate -> leaf, which is the server's static key."""

    root: KeyPair = field(default_factory=KeyPair)
    intermediate: KeyPair = field(default_factory=KeyPair)
    static: KeyPair = field(default_factory=KeyPair)
    since: int = field(default_factory=lambda: int(time.time()) - DAY)

    def chain(self) -> bytes:
        chain = cert.CertChain()
        chain.intermediate.details = self._details(1, 0, self.intermediate)
        chain.intermediate.signature = self.root.sign(chain.intermediate.details)
        chain.leaf.details = self._details(2, 1, self.static)
        chain.leaf.signature = self.intermediate.sign(chain.leaf.details)
        return bytes(chain.SerializeToString())

    def _details(self, serial: int, issuer: int, key: KeyPair) -> bytes:
        details = cert.CertChain.NoiseCertificate.Details(
            serial=serial, issuerSerial=issuer, key=key.pub, notBefore=self.since, notAfter=self.since + YEARS_10
        )
        return bytes(details.SerializeToString())


def _iv(counter: int) -> bytes:
    return bytes(8) + counter.to_bytes(4, "big")


class Handshake:
    """One handshake: `server_hello`, `client_finish`, then `transport`."""

    def __init__(self, authority: Authority, header: bytes) -> None:
        if header[:2] != PROLOGUE:
            raise HandshakeFailed("not a WhatsApp client")
        self._authority = authority
        self._hash = self._salt = PATTERN
        self._key = AESGCM(PATTERN)
        self._counter = 0
        self._ephemeral = KeyPair()
        self._authenticate(header)

    def server_hello(self, client_hello: bytes) -> bytes:
        theirs = _parse(client_hello).clientHello.ephemeral
        try:
            return self._answer(theirs)
        except ValueError as error:
            raise HandshakeFailed("no usable ephemeral key") from error

    def _answer(self, theirs: bytes) -> bytes:
        self._authenticate(theirs)
        reply = wa6.HandshakeMessage()
        reply.serverHello.ephemeral = self._ephemeral.pub
        self._authenticate(self._ephemeral.pub)
        self._mix(self._ephemeral.dh(theirs))
        reply.serverHello.static = self._seal(self._authority.static.pub)
        self._mix(self._authority.static.dh(theirs))
        reply.serverHello.payload = self._seal(self._authority.chain())
        return bytes(reply.SerializeToString())

    def client_finish(self, data: bytes) -> tuple[bytes, Any]:
        """The client's static Noise key, and its ClientPayload."""
        finish = _parse(data).clientFinish
        try:
            noise_pub = self._open(finish.static)
            self._mix(self._ephemeral.dh(noise_pub))
            return noise_pub, wa6.ClientPayload.FromString(self._open(finish.payload))
        except (InvalidTag, ValueError, DecodeError) as error:
            raise HandshakeFailed("the client's finish does not open") from error

    def transport(self) -> Transport:
        out = hkdf(b"", b"", 64, self._salt)
        return Transport(reading=out[:32], writing=out[32:])

    def _authenticate(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _mix(self, secret: bytes) -> None:
        self._counter = 0
        out = hkdf(secret, b"", 64, self._salt)
        self._salt, self._key = out[:32], AESGCM(out[32:])

    def _seal(self, plain: bytes) -> bytes:
        out = self._key.encrypt(_iv(self._counter), plain, self._hash)
        self._counter += 1
        self._authenticate(out)
        return out

    def _open(self, sealed: bytes) -> bytes:
        out = self._key.decrypt(_iv(self._counter), sealed, self._hash)
        self._counter += 1
        self._authenticate(sealed)
        return out


def _parse(data: bytes) -> Any:
    try:
        return wa6.HandshakeMessage.FromString(data)
    except DecodeError as error:
        raise HandshakeFailed("not a handshake message") from error


class Transport:
    """The two ciphers of an established connection; each frame has the next counter."""

    def __init__(self, reading: bytes, writing: bytes) -> None:
        self._reading, self._writing = AESGCM(reading), AESGCM(writing)
        self._read = self._written = 0

    def open(self, frame: bytes) -> bytes:
        self._read += 1
        try:
            return self._reading.decrypt(_iv(self._read - 1), frame, b"")
        except InvalidTag as error:
            raise HandshakeFailed("a frame does not open") from error

    def seal(self, plain: bytes) -> bytes:
        self._written += 1
        return self._writing.encrypt(_iv(self._written - 1), plain, b"")
