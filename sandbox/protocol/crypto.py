"""The few primitives everything else is built from: HKDF, HMAC, AES-CBC, WhatsApp's padding."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def hkdf(secret: bytes, info: bytes, length: int, salt: bytes | None = None) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), hashlib.sha256)


def cbc_encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    pkcs7 = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return cipher.update(pkcs7.update(plain) + pkcs7.finalize()) + cipher.finalize()


def cbc_decrypt(key: bytes, iv: bytes, sealed: bytes) -> bytes:
    pkcs7 = padding.PKCS7(128).unpadder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return pkcs7.update(cipher.update(sealed) + cipher.finalize()) + pkcs7.finalize()


def pad(plain: bytes) -> bytes:
    """1 to 15 bytes that each say how many they are; hides the length of short texts."""
    n = os.urandom(1)[0] & 15 or 15
    return plain + bytes([n]) * n


def unpad(padded: bytes) -> bytes:
    return padded[: -padded[-1]] if padded else padded
