"""A phone's Signal sessions as the world uses them: each step of a ratchet is kept."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from sandbox.protocol.node import JID, Node
from sandbox.protocol.protos import e2e
from sandbox.protocol.ratchet import SignalError
from sandbox.world import queues
from sandbox.world.companion import Companion
from sandbox.world.phone import Phone
from sandbox.world.world import World


def encrypt_for(world: World, sender: Phone, account: Phone, companion: Companion, proto: Any) -> Node:
    """The `<enc>` for one device; opens a session with it when there is none."""
    address = account.address_of(companion)
    if address not in sender.signal.sessions:
        sender.signal.start(address, world.hand_out_prekey(account, companion))
        queues.ask_for_prekeys(world, account, companion)
    kind, data = sender.signal.encrypt(address, proto.SerializeToString())
    world.keep.session(sender, address)
    return Node("enc", {"v": "2", "type": kind}, data)


def decrypt_from(world: World, reader: Phone, sender: JID, enc: Node) -> Any:
    """Raises SignalError."""
    plain = reader.signal.decrypt(str(sender), enc.text("type"), enc.data)
    world.keep.session(reader, str(sender))
    return parse(plain)


def parse(plain: bytes) -> Any:
    try:
        return e2e.Message.FromString(plain)
    except DecodeError as error:
        raise SignalError("not a message") from error
