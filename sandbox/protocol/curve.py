"""X25519 keys that can also sign so that XEdDSA verifies, on `cryptography` alone.

A pair starts from an Ed25519 seed: its scalar is a valid X25519 private key, and an ordinary Ed25519 signature
verifies as XEdDSA once the sign bit of the Edwards public key is put into the top bit of the signature.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

P = 2**255 - 19
SIGN_BIT = 0x80


@dataclass(frozen=True)
class KeyPair:
    """A private key, kept as the seed it grew from."""

    seed: bytes = field(default_factory=lambda: os.urandom(32))

    @cached_property
    def _private(self) -> X25519PrivateKey:
        scalar = bytearray(hashlib.sha512(self.seed).digest()[:32])
        scalar[0] &= 248
        scalar[31] = scalar[31] & 127 | 64
        return X25519PrivateKey.from_private_bytes(bytes(scalar))

    @cached_property
    def _signer(self) -> tuple[Ed25519PrivateKey, int]:
        signer = Ed25519PrivateKey.from_private_bytes(self.seed)
        return signer, signer.public_key().public_bytes_raw()[31] & SIGN_BIT

    @cached_property
    def pub(self) -> bytes:
        return self._private.public_key().public_bytes_raw()

    def dh(self, peer: bytes) -> bytes:
        return self._private.exchange(X25519PublicKey.from_public_bytes(peer))

    def sign(self, message: bytes) -> bytes:
        signer, sign_bit = self._signer
        signature = bytearray(signer.sign(message))
        signature[63] |= sign_bit
        return bytes(signature)


def verify(pub: bytes, message: bytes, signature: bytes) -> bool:
    """XEdDSA: map the Montgomery public key to its Edwards form, then check as Ed25519."""
    u = int.from_bytes(pub, "little") & ((1 << 255) - 1)
    y = (u - 1) * pow(u + 1, P - 2, P) % P
    edwards = bytearray(y.to_bytes(32, "little"))
    plain = bytearray(signature)
    if len(plain) != 64:
        return False
    edwards[31] |= plain[63] & SIGN_BIT
    plain[63] &= 0x7F
    try:
        Ed25519PublicKey.from_public_bytes(bytes(edwards)).verify(bytes(plain), message)
    except (InvalidSignature, ValueError):
        return False
    return True
