"""Secrets in rows: sealed with a key that is made from the platform's, so that a dump of the database opens nothing."""

import hashlib
import os
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_NONCE_BYTES: Final = 12


class SealBroken(Exception):
    """Sealed with another key, for something else, or changed since."""


def seal(content: bytes, *, purpose: str, about: str, secret: str = "") -> bytes:
    """Nonce and ciphertext (AES-256-GCM). `about` names the row, so that a seal moved to another one does not open.

    `secret` is what the key is made from, when it is another than the platform's.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(purpose, secret or settings.SECRET_KEY).encrypt(nonce, content, about.encode())


def unseal(sealed: bytes, *, purpose: str, about: str, secret: str = "") -> bytes:
    """Raises SealBroken."""
    try:
        cipher = _cipher(purpose, secret or settings.SECRET_KEY)
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error


def key_name(*, purpose: str, secret: str = "") -> str:
    """Tells one key from another by a digest, and nothing of either."""
    return hashlib.sha256(b"name" + _key(purpose, secret or settings.SECRET_KEY)).hexdigest()[:12]


@cache
def _cipher(purpose: str, secret: str) -> AESGCM:
    return AESGCM(_key(purpose, secret))


def _key(purpose: str, secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"wharf {purpose}".encode()).derive(secret.encode())
