"""Media blobs: AES-256-CBC with a truncated HMAC, keys derived from the message's media key."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from sandbox.protocol.crypto import cbc_decrypt, cbc_encrypt, hkdf, hmac_sha256

MAC_SIZE = 10


@dataclass(frozen=True)
class Sealed:
    """A blob as it lies on a media host, and what a message says about it."""

    key: bytes
    blob: bytes
    sha256: bytes
    blob_sha256: bytes


def seal(plain: bytes, kind: str) -> Sealed:
    """`kind` as in the key derivation: Image, Video, Audio, Document."""
    key = os.urandom(32)
    iv, cipher, mac = _keys(key, kind)
    body = cbc_encrypt(cipher, iv, plain)
    blob = body + hmac_sha256(mac, iv, body)[:MAC_SIZE]
    return Sealed(key, blob, hashlib.sha256(plain).digest(), hashlib.sha256(blob).digest())


def unseal(blob: bytes, key: bytes, kind: str) -> bytes:
    iv, cipher, mac = _keys(key, kind)
    body = blob[:-MAC_SIZE]
    if not hmac.compare_digest(hmac_sha256(mac, iv, body)[:MAC_SIZE], blob[-MAC_SIZE:]):
        raise ValueError("bad media MAC")
    return cbc_decrypt(cipher, iv, body)


def _keys(key: bytes, kind: str) -> tuple[bytes, bytes, bytes]:
    out = hkdf(key, f"WhatsApp {kind} Keys".encode(), 112)
    return out[:16], out[16:48], out[48:80]
