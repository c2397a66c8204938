"""Sender keys: one member's chain in one group, shared with every other member's devices."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sandbox.protocol.crypto import cbc_decrypt, cbc_encrypt, hkdf, pad, unpad
from sandbox.protocol.curve import KeyPair, verify
from sandbox.protocol.ratchet import DJB, VERSION, Chain, SignalError
from sandbox.protocol.wire import Fields, MalformedMessage, pack

SIGNATURE_SIZE = 64


@dataclass
class SenderKey:
    """The owner holds the signing key, readers only its public half."""

    id: int
    chain: Chain
    signing_pub: bytes
    signing: KeyPair | None = None

    @classmethod
    def new(cls) -> SenderKey:
        signing = KeyPair()
        return cls(int.from_bytes(os.urandom(3), "big"), Chain(os.urandom(32)), signing.pub, signing)

    @classmethod
    def from_distribution(cls, data: bytes) -> SenderKey:
        fields = Fields(data[1:])
        return cls(fields.number(1), Chain(fields.blob(3), fields.number(2)), fields.public_key(4))

    def distribution(self) -> bytes:
        """What a reader needs to follow from here on."""
        public = DJB + self.signing_pub
        return bytes([VERSION]) + pack({1: self.id, 2: self.chain.index, 3: self.chain.key, 4: public})

    def encrypt(self, plain: bytes) -> bytes:
        if self.signing is None:
            raise SignalError("this sender key belongs to somebody else")
        counter = self.chain.index
        keys = hkdf(self.chain.step(), b"WhisperGroup", 48)
        body = bytes([VERSION]) + pack({1: self.id, 2: counter, 3: cbc_encrypt(keys[16:], keys[:16], pad(plain))})
        return body + self.signing.sign(body)

    def decrypt(self, message: bytes) -> bytes:
        body, signature = message[:-SIGNATURE_SIZE], message[-SIGNATURE_SIZE:]
        try:
            fields = Fields(body[1:])
            if fields.number(1) != self.id or not verify(self.signing_pub, body, signature):
                raise SignalError("sender key mismatch")
            keys = hkdf(self.chain.seed_for(fields.number(2)), b"WhisperGroup", 48)
            return unpad(cbc_decrypt(keys[16:], keys[:16], fields.blob(3)))
        except (MalformedMessage, ValueError) as error:
            raise SignalError(str(error)) from error
