"""What a phone keeps of its conversations, and how far its own messages came."""

from __future__ import annotations

import time
from typing import Any

from sandbox.protocol.protos import e2e
from sandbox.world.message import Message, kind_of, text_of
from sandbox.world.phone import Phone
from sandbox.world.world import World

RECORDED_PROTOCOL_MESSAGES = {"REVOKE": "revoke", "MESSAGE_EDIT": "edit"}


def record_written(world: World, phone: Phone, peer: str, proto: Any, message_id: str) -> Message | None:
    return _record(world, phone, proto, message_id, sender=phone.number, peer=peer, from_me=True, status="sent")


def record_received(
    world: World, phone: Phone, sender: Phone, proto: Any, message_id: str, group: str | None = None
) -> Message | None:
    """None when it is nothing that a person would see."""
    peer = group or sender.number
    return _record(world, phone, proto, message_id, sender=sender.number, peer=peer, from_me=False, group=group)


def _record(
    world: World,
    phone: Phone,
    proto: Any,
    message_id: str,
    *,
    sender: str,
    peer: str,
    from_me: bool,
    status: str = "",
    group: str | None = None,
) -> Message | None:
    kind, text = kind_of(proto), text_of(proto)
    if kind == "protocol":
        name = e2e.ProtocolMessage.Type.Name(proto.protocolMessage.type)
        if name not in RECORDED_PROTOCOL_MESSAGES:
            return None
        kind, text = RECORDED_PROTOCOL_MESSAGES[name], text_of(proto.protocolMessage.editedMessage)
    group = group or (peer if "@" in peer else None)
    message = Message(
        world.next_seq(), message_id, sender, peer, from_me, text, kind, time.time(),
        proto.SerializeToString(), group, read=from_me, status=status,
    )  # fmt: skip
    for forgotten in phone.remember(message):
        world.keep.forget_message(phone, forgotten)
    world.keep.message(phone, message)
    if message.is_reaction:
        message.read = True
        world.happenings.tell("reaction", phone.number, id=message.reacts_to, peer=peer, fromMe=from_me)
    else:
        world.happenings.tell("message", phone.number, id=message_id, peer=peer, fromMe=from_me)
    return message


def note_status(world: World, writer: Phone, ids: list[str], status: str, reader: Phone) -> None:
    if status not in ("delivered", "read", "played"):
        return
    for message_id in ids:
        message = writer.written.get(message_id)
        if message is not None and message.reach(status):
            world.keep.message(writer, message)
            world.happenings.tell("receipt", writer.number, id=message_id, status=status, by=reader.number)


def mark_read(world: World, reader: Phone, messages: list[Message]) -> None:
    for message in messages:
        if not message.read:
            message.read = True
            world.keep.message(reader, message)
            world.happenings.tell("read", reader.number, id=message.id, peer=message.peer)
