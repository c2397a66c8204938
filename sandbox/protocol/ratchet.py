"""One Signal session between two devices: the Double Ratchet, protocol version 3."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace

from sandbox.protocol.crypto import cbc_decrypt, cbc_encrypt, hkdf, hmac_sha256, pad, unpad
from sandbox.protocol.curve import KeyPair
from sandbox.protocol.wire import Fields, MalformedMessage, pack

VERSION = 0x33  # this and lowest understood version, 3 and 3
DJB = b"\x05"  # type byte of a Curve25519 key
MAC_SIZE = 8
MAX_SKIP = 2000  # libsignal's bound on message keys kept for messages that come late
MAX_CHAINS = 5  # libsignal's bound on old receiving chains


class SignalError(Exception):
    """A message that this device cannot decrypt."""


@dataclass
class Chain:
    """A symmetric ratchet: one key a message, each derived from the one before."""

    key: bytes
    index: int = 0
    skipped: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> Chain:
        return Chain(self.key, self.index, dict(self.skipped))

    def step(self) -> bytes:
        seed = hmac_sha256(self.key, b"\1")
        self.key, self.index = hmac_sha256(self.key, b"\2"), self.index + 1
        return seed

    def seed_for(self, counter: int) -> bytes:
        if counter < self.index:
            if counter not in self.skipped:
                raise SignalError(f"message key {counter} was used already")
            return self.skipped.pop(counter)
        if counter - self.index > MAX_SKIP:
            raise SignalError("too far in the future")
        while self.index < counter:
            at = self.index
            self.skipped[at] = self.step()
        while len(self.skipped) > MAX_SKIP:
            del self.skipped[next(iter(self.skipped))]
        return self.step()


@dataclass
class Opening:
    """What our messages carry until the peer has answered: enough for it to build the same session."""

    prekey_id: int | None
    signed_prekey_id: int
    registration_id: int


@dataclass
class Session:
    """Both directions with one peer device."""

    our_identity: bytes
    their_identity: bytes
    root: bytes
    ratchet: KeyPair
    sending: Chain
    receiving: dict[str, Chain] = field(default_factory=dict)  # by the peer's ratchet key, in hex
    previous: int = 0
    base_key: bytes = b""
    opening: Opening | None = None

    def copy(self) -> Session:
        receiving = {key: chain.copy() for key, chain in self.receiving.items()}
        return replace(self, sending=self.sending.copy(), receiving=receiving)

    def turn(self, their_ratchet: bytes) -> Chain:
        """Mix a fresh Diffie-Hellman into the root and start a chain from it."""
        out = hkdf(self.ratchet.dh(their_ratchet), b"WhisperRatchet", 64, self.root)
        self.root = out[:32]
        return Chain(out[32:])

    def encrypt(self, plain: bytes) -> tuple[str, bytes]:
        """The `<enc>` type and its content."""
        counter = self.sending.index
        keys = hkdf(self.sending.step(), b"WhisperMessageKeys", 80)
        sealed = cbc_encrypt(keys[:32], keys[64:], pad(plain))
        body = bytes([VERSION]) + pack({1: DJB + self.ratchet.pub, 2: counter, 3: self.previous, 4: sealed})
        message = body + _mac(keys[32:64], self.our_identity, self.their_identity, body)
        if self.opening is None:
            return "msg", message
        return "pkmsg", self._with_opening(self.opening, message)

    def _with_opening(self, opening: Opening, message: bytes) -> bytes:
        return bytes([VERSION]) + pack(
            {
                1: opening.prekey_id,
                2: DJB + self.base_key,
                3: DJB + self.our_identity,
                4: message,
                5: opening.registration_id,
                6: opening.signed_prekey_id,
            }
        )

    def decrypt(self, message: bytes) -> bytes:
        """Changes the session even when it fails: try on a copy."""
        body, mac = message[:-MAC_SIZE], message[-MAC_SIZE:]
        fields = Fields(body[1:])
        chain = self._receiving_chain(fields.public_key(1))
        keys = hkdf(chain.seed_for(fields.number(2)), b"WhisperMessageKeys", 80)
        if not hmac.compare_digest(mac, _mac(keys[32:64], self.their_identity, self.our_identity, body)):
            raise SignalError("bad MAC")
        self.opening = None
        try:
            return unpad(cbc_decrypt(keys[:32], keys[64:], fields.blob(4)))
        except ValueError as error:
            raise MalformedMessage("bad padding") from error

    def _receiving_chain(self, their_ratchet: bytes) -> Chain:
        chain = self.receiving.get(their_ratchet.hex())
        if chain is None:
            chain = self.receiving[their_ratchet.hex()] = self.turn(their_ratchet)
            self.previous = max(self.sending.index - 1, 0)
            self.ratchet = KeyPair()
            self.sending = self.turn(their_ratchet)
            while len(self.receiving) > MAX_CHAINS:
                del self.receiving[next(iter(self.receiving))]
        return chain


def _mac(key: bytes, sender: bytes, receiver: bytes, body: bytes) -> bytes:
    return hmac_sha256(key, DJB, sender, DJB, receiver, body)[:MAC_SIZE]
