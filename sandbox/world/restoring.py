"""Brings the world back as the store has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from sandbox import record
from sandbox.protocol.appstate import AppState, AppStateKey
from sandbox.protocol.binary import decode
from sandbox.protocol.curve import KeyPair
from sandbox.protocol.sender_key import SenderKey
from sandbox.protocol.signal_device import Identity, SessionRecord, SignalDevice
from sandbox.store import Store
from sandbox.world import keeping
from sandbox.world.companion import Companion, Registration, asker
from sandbox.world.group import Group
from sandbox.world.message import Message
from sandbox.world.phone import Owner, Phone

T = TypeVar("T")


def phones(store: Store) -> dict[str, Phone]:
    """In the order they were made, which is that of their LIDs."""
    owners = [owner for _, _, owner in _records(store, keeping.OWNER, Owner)]
    found = {owner.number: Phone(owner) for owner in sorted(owners, key=lambda owner: int(owner.lid))}
    _device_keys(store, found)
    _group_keys(store, found)
    _app_state(store, found)
    for number, _, message in _records(store, keeping.MESSAGE, Message):
        found[number].remember(message)
    _companions(store, found)
    return found


def groups(store: Store) -> dict[str, Group]:
    return {jid: group for jid, _, group in _records(store, keeping.GROUP, Group)}


def setting(store: Store, name: str, kind: type[T]) -> T | None:
    body = store.get(keeping.SETTING, "", name)
    return None if body is None else record.load(kind, body)


def _records(store: Store, kind: str, shape: type[T]) -> Iterator[tuple[str, str, T]]:
    for row in store.rows(kind):
        yield row.owner, row.key, record.load(shape, row.body)


def _device_keys(store: Store, found: dict[str, Phone]) -> None:
    for number, _, identity in _records(store, keeping.IDENTITY, Identity):
        found[number].signal = SignalDevice(identity)
    for number, key, pair in _records(store, keeping.PREKEY, KeyPair):
        found[number].signal.prekeys[int(key)] = pair
    for number, address, session in _records(store, keeping.SESSION, SessionRecord):
        found[number].signal.sessions[address] = session


def _group_keys(store: Store, found: dict[str, Phone]) -> None:
    for number, key, sender_key in _records(store, keeping.SENDER_KEY, SenderKey):
        found[number].sender_keys[key] = sender_key
    for row in store.rows(keeping.SENDER_KEY_HOLDER):
        group, _, address = row.key.partition("|")
        found[row.owner].sender_key_holders.setdefault(group, set()).add(address)


def _app_state(store: Store, found: dict[str, Phone]) -> None:
    for number, _, key in _records(store, keeping.APP_STATE_KEY, AppStateKey):
        found[number].app_state = AppState(key)
    for row in store.rows(keeping.APP_STATE_PATCH):
        found[row.owner].app_state.restore(row.key.partition("|")[0], row.body)


def _companions(store: Store, found: dict[str, Phone]) -> None:
    linked: dict[str, Companion] = {}
    rows = list(_records(store, keeping.COMPANION, Registration))
    for number, key, registration in sorted(rows, key=lambda row: row[2].device):
        found[number].companions[registration.device] = linked[f"{number}:{key}"] = Companion(registration)
    for row in store.rows(keeping.COMPANION_PREKEY):
        linked[row.owner].prekeys[int(row.key)] = row.body
    for row in store.rows(keeping.QUEUE):
        linked[row.owner].queue[int(row.key)] = decode(row.body)
    _requests(found, linked)


def _requests(found: dict[str, Phone], linked: dict[str, Companion]) -> None:
    """Who still waits for a message that it could not read."""
    readers = {phone.lid: phone for phone in found.values()}
    for node in (node for companion in linked.values() for node in companion.queue.values()):
        retry, reader = node.find("retry"), readers.get(asker(node))
        if retry is not None and reader is not None:
            reader.asked_again[node.text("id")] = int(retry.text("count"))


def last_seq(found: dict[str, Phone]) -> int:
    """The newest number given to a message or a waiting stanza."""
    messages = (seq for phone in found.values() for seq in phone.messages)
    waiting = (seq for phone in found.values() for c in phone.companions.values() for seq in c.queue)
    return max([0, *messages, *waiting])
