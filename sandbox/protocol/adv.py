"""What a phone does to link a companion: read its QR, vouch for it, and the phone's half of pairing by code."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.protocol.crypto import hkdf, hmac_sha256
from sandbox.protocol.curve import KeyPair
from sandbox.protocol.protos import adv

QR_PREFIX = "https://wa.me/settings/linked_devices#"
ACCOUNT_SIGNATURE = b"\x06\x00"  # what is signed starts with the kind of signature
CODE_ROUNDS = 2 << 16  # PBKDF2, both ends

Break = Literal["hmac", "signature"]


class NotALinkingQR(ValueError):
    """A text that no WhatsApp client shows for linking."""


class WrongCode(Exception):
    """The code typed on the phone is not the one the companion shows."""


@dataclass(frozen=True)
class LinkingQR:
    ref: str
    adv_secret: bytes


def read_qr(text: str) -> LinkingQR:
    """REF,NOISE,IDENTITY,ADVSECRET,CLIENTTYPE after the address."""
    parts = text.strip().removeprefix(QR_PREFIX).rsplit(",", 4)
    if len(parts) != 5:
        raise NotALinkingQR("this is not WhatsApp's linking code")
    try:
        keys = [base64.b64decode(part, validate=True) for part in parts[1:4]]
    except binascii.Error as error:
        raise NotALinkingQR("this linking code is damaged") from error
    if any(len(key) != 32 for key in keys):
        raise NotALinkingQR("this linking code is damaged")
    return LinkingQR(parts[0], keys[2])


def vouch(
    account: KeyPair, companion_identity: bytes, adv_secret: bytes, key_index: int, broken: Break | None = None
) -> bytes:
    """The signed statement that this companion belongs to the account (or a broken one, for tests)."""
    identity = adv.ADVDeviceIdentity(rawID=1, timestamp=int(time.time()), keyIndex=key_index)
    details = identity.SerializeToString()
    signature = account.sign(ACCOUNT_SIGNATURE + details + companion_identity)
    signed = adv.ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=account.pub,
        accountSignature=bytes(64) if broken == "signature" else signature,
    ).SerializeToString()
    mac = bytes(32) if broken == "hmac" else hmac_sha256(adv_secret, signed)
    return bytes(adv.ADVSignedDeviceIdentityHMAC(details=signed, HMAC=mac).SerializeToString())


@dataclass(frozen=True)
class TypedCode:
    """The phone's answer to a code: what both will share, and the wrapped key that it sends."""

    shared: bytes
    wrapped: bytes


def type_code(code: str, wrapped_companion: bytes) -> TypedCode:
    salt, iv, sealed = wrapped_companion[:32], wrapped_companion[32:48], wrapped_companion[48:80]
    companion_pub = _ctr(_code_key(code, salt), iv, sealed)
    ephemeral, own_salt, own_iv = KeyPair(), os.urandom(32), os.urandom(16)
    wrapped = own_salt + own_iv + _ctr(_code_key(code, own_salt), own_iv, ephemeral.pub)
    try:
        return TypedCode(ephemeral.dh(companion_pub), wrapped)
    except ValueError as error:
        raise WrongCode from error


def open_key_bundle(typed: TypedCode, bundle: bytes, companion_identity: bytes, account: KeyPair) -> bytes:
    """The ADV secret, out of the companion's last word."""
    salt, nonce, sealed = bundle[:32], bundle[32:44], bundle[44:]
    key = hkdf(typed.shared, b"link_code_pairing_key_bundle_encryption_key", 32, salt)
    try:
        plain = AESGCM(key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError) as error:
        raise WrongCode from error
    if plain[:64] != companion_identity + account.pub:
        raise WrongCode
    return hkdf(typed.shared + account.dh(companion_identity) + plain[64:96], b"adv_secret", 32)


def _code_key(code: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", code.encode(), salt, CODE_ROUNDS, 32)


def _ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)
