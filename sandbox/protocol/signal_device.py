"""The Signal half of one device: its identity, its prekeys, and its sessions by peer address."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from sandbox.protocol.crypto import hkdf
from sandbox.protocol.curve import KeyPair
from sandbox.protocol.ratchet import DJB, Chain, Opening, Session, SignalError
from sandbox.protocol.wire import Fields, MalformedMessage

SIGNED_PREKEY_ID = 1
# Two devices that write to each other at the same moment open two sessions; both must stay readable until
# they agree on one. libsignal keeps 40 old states.
MAX_STATES = 8


@dataclass(frozen=True)
class PreKeyBundle:
    """What a server hands out so that a stranger can open a session with a device that is asleep."""

    registration_id: int
    identity: bytes
    signed_id: int
    signed_pub: bytes
    signature: bytes
    prekey_id: int | None = None
    prekey_pub: bytes | None = None


@dataclass
class SessionRecord:
    """Every session we have with one peer device; the first is the one we send with."""

    states: list[Session] = field(default_factory=list)

    def put_first(self, session: Session) -> None:
        self.states = [session, *(s for s in self.states if s is not session)][:MAX_STATES]

    def encrypt(self, plain: bytes) -> tuple[str, bytes]:
        return self.states[0].encrypt(plain)

    def decrypt(self, message: bytes) -> bytes:
        first_error: Exception = SignalError("no session")
        for i, state in enumerate(self.states):
            trial = state.copy()
            try:
                plain = trial.decrypt(message)
            except (SignalError, MalformedMessage) as error:
                first_error = error if i == 0 else first_error
                continue
            self.states[i] = trial
            self.put_first(trial)
            return plain
        raise SignalError(str(first_error)) from first_error


@dataclass
class Identity:
    """The long-lived keys of a device."""

    pair: KeyPair = field(default_factory=KeyPair)
    registration_id: int = field(default_factory=lambda: int.from_bytes(os.urandom(2), "big") & 0x3FFF or 1)
    signed: KeyPair = field(default_factory=KeyPair)
    next_prekey: int = 1

    @property
    def pub(self) -> bytes:
        return self.pair.pub


def _x3dh(*agreements: bytes) -> tuple[bytes, bytes]:
    out = hkdf(b"\xff" * 32 + b"".join(agreements), b"WhisperText", 64)
    return out[:32], out[32:]


class SignalDevice:
    """Encrypts to and decrypts from any number of peer devices."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.identity = identity or Identity()
        self.prekeys: dict[int, KeyPair] = {}
        self.spent: list[int] = []  # prekeys used up since somebody looked
        self.sessions: dict[str, SessionRecord] = {}

    def bundle(self) -> PreKeyBundle:
        """What the server hands out; a fresh one-time prekey each time."""
        own, number = self.identity, self.identity.next_prekey
        own.next_prekey += 1
        prekey = self.prekeys[number] = KeyPair()
        signature = own.pair.sign(DJB + own.signed.pub)
        return PreKeyBundle(
            own.registration_id, own.pub, SIGNED_PREKEY_ID, own.signed.pub, signature, number, prekey.pub
        )

    def start(self, address: str, bundle: PreKeyBundle) -> None:
        """Open a session with a device from its bundle; an older one stays readable."""
        own, base = self.identity, KeyPair()
        agreements = [own.pair.dh(bundle.signed_pub), base.dh(bundle.identity), base.dh(bundle.signed_pub)]
        if bundle.prekey_pub:
            agreements.append(base.dh(bundle.prekey_pub))
        root, chain = _x3dh(*agreements)
        opening = Opening(bundle.prekey_id, bundle.signed_id, own.registration_id)
        session = Session(own.pub, bundle.identity, root, KeyPair(), Chain(b""), base_key=base.pub, opening=opening)
        session.receiving[bundle.signed_pub.hex()] = Chain(chain)
        session.sending = session.turn(bundle.signed_pub)
        self.sessions.setdefault(address, SessionRecord()).put_first(session)

    def encrypt(self, address: str, plain: bytes) -> tuple[str, bytes]:
        return self.sessions[address].encrypt(plain)

    def decrypt(self, address: str, kind: str, data: bytes) -> bytes:
        try:
            return self._decrypt(address, kind, data)
        except MalformedMessage as error:
            raise SignalError(str(error)) from error

    def _decrypt(self, address: str, kind: str, data: bytes) -> bytes:
        if kind == "msg":
            if address not in self.sessions:
                raise SignalError(f"no session with {address}")
            return self.sessions[address].decrypt(data)
        fields = Fields(data[1:])
        base, record = fields.public_key(2), self.sessions.get(address)
        if record is not None and any(s.base_key == base for s in record.states):
            return record.decrypt(fields.blob(4))
        session = self._answer(fields, base)
        plain = session.decrypt(fields.blob(4))
        if self.prekeys.pop(fields.number(1), None) is not None:
            self.spent.append(fields.number(1))
        self.sessions.setdefault(address, SessionRecord()).put_first(session)
        return plain

    def _answer(self, fields: Fields, base: bytes) -> Session:
        """The same session the peer opened from our bundle."""
        own, their_identity = self.identity, fields.public_key(3)
        agreements = [own.signed.dh(their_identity), own.pair.dh(base), own.signed.dh(base)]
        if number := fields.number(1):
            if number not in self.prekeys:
                raise SignalError(f"unknown prekey {number}")
            agreements.append(self.prekeys[number].dh(base))
        root, chain = _x3dh(*agreements)
        return Session(own.pub, their_identity, root, own.signed, Chain(chain), base_key=base)
