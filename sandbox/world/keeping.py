"""Which row of the store holds what, and the moment it is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox import record
from sandbox.protocol.binary import encode_for_keeping
from sandbox.protocol.node import Node
from sandbox.store import Store
from sandbox.world.companion import Companion
from sandbox.world.group import Group
from sandbox.world.message import Message
from sandbox.world.phone import Phone

SETTING, GROUP, MEDIA = "setting", "group", "media"
OWNER, IDENTITY, PREKEY, SESSION = "owner", "identity", "prekey", "signal_session"
SENDER_KEY, SENDER_KEY_HOLDER = "sender_key", "sender_key_holder"
APP_STATE_KEY, APP_STATE_PATCH = "app_state_key", "app_state_patch"
MESSAGE = "message"
COMPANION, COMPANION_PREKEY, QUEUE = "companion", "companion_prekey", "queue"


def of(phone: Phone, companion: Companion) -> str:
    """The owner of a companion's rows."""
    return f"{phone.number}:{companion.device}"


def ordered(seq: int) -> str:
    return f"{seq:016d}"


class Keeper:
    """One method a kind of row; each may be called as often as the thing changes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _record(self, kind: str, owner: str, key: str, thing: Any) -> None:
        self.store.put(kind, owner, key, partial(record.dump, thing))

    def setting(self, name: str, value: Any) -> None:
        self._record(SETTING, "", name, value)

    def group(self, group: Group) -> None:
        self._record(GROUP, group.jid, "", group)

    def media(self, path: str, blob: bytes) -> None:
        self.store.put(MEDIA, path, "", _as_is(blob))

    # -- a phone ----------------------------------------------------------------------------------------------

    def new_phone(self, phone: Phone) -> None:
        self.owner(phone)
        self._record(IDENTITY, phone.number, "", phone.signal.identity)
        self._record(APP_STATE_KEY, phone.number, "", phone.app_state.key)

    def owner(self, phone: Phone) -> None:
        self._record(OWNER, phone.number, "", phone.owner)

    def new_prekey(self, phone: Phone, number: int) -> None:
        self._record(PREKEY, phone.number, str(number), phone.signal.prekeys[number])
        self._record(IDENTITY, phone.number, "", phone.signal.identity)

    def session(self, phone: Phone, address: str) -> None:
        """The session with one device, and the prekeys it has used up."""
        while phone.signal.spent:
            self.store.delete(PREKEY, phone.number, str(phone.signal.spent.pop()))
        if address in phone.signal.sessions:
            self._record(SESSION, phone.number, address, phone.signal.sessions[address])

    def sender_key(self, phone: Phone, key: str) -> None:
        self._record(SENDER_KEY, phone.number, key, phone.sender_keys[key])

    def sender_key_holder(self, phone: Phone, group: str, address: str) -> None:
        self.store.put(SENDER_KEY_HOLDER, phone.number, f"{group}|{address}", _as_is(b""))

    def app_state_patch(self, phone: Phone, name: str) -> None:
        collection = phone.app_state.collection(name)
        key = f"{name}|{ordered(collection.version)}"
        self.store.put(APP_STATE_PATCH, phone.number, key, _as_is(collection.patches[-1]))

    def message(self, phone: Phone, message: Message) -> None:
        self._record(MESSAGE, phone.number, ordered(message.seq), message)

    def forget_message(self, phone: Phone, seq: int) -> None:
        self.store.delete(MESSAGE, phone.number, ordered(seq))

    # -- a companion ------------------------------------------------------------------------------------------

    def companion(self, phone: Phone, companion: Companion) -> None:
        self._record(COMPANION, phone.number, str(companion.device), companion.registration)

    def companion_prekey(self, phone: Phone, companion: Companion, number: int) -> None:
        body = _as_is(companion.prekeys[number])
        self.store.put(COMPANION_PREKEY, of(phone, companion), str(number), body)

    def prekey_handed_out(self, phone: Phone, companion: Companion, number: int) -> None:
        self.store.delete(COMPANION_PREKEY, of(phone, companion), str(number))

    def queued(self, phone: Phone, companion: Companion, seq: int, node: Node) -> None:
        self.store.put(QUEUE, of(phone, companion), ordered(seq), partial(encode_for_keeping, node))

    def acknowledged(self, phone: Phone, companion: Companion, seq: int) -> None:
        self.store.delete(QUEUE, of(phone, companion), ordered(seq))

    def forget_companion(self, phone: Phone, companion: Companion) -> None:
        self.store.delete(COMPANION, phone.number, str(companion.device))
        self.store.drop(COMPANION_PREKEY, of(phone, companion))
        self.store.drop(QUEUE, of(phone, companion))


def _as_is(body: bytes) -> Callable[[], bytes]:
    return lambda: body
