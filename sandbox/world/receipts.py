"""Ticks: a phone tells the writer's devices how far a message came."""

from __future__ import annotations

from typing import Any

from sandbox.protocol.node import JID, Node
from sandbox.world import queues
from sandbox.world.conversation import mark_read, note_status
from sandbox.world.message import Message
from sandbox.world.phone import Phone
from sandbox.world.queues import now
from sandbox.world.world import World


def receipt(
    world: World, reader: Phone, writer: Phone, ids: list[str], kind: str = "", group: JID | None = None,
    device: int = 0,
) -> None:  # fmt: skip
    """`reader` tells `writer` how far messages came; kind "" is delivered, as on the wire."""
    source = JID(reader.lid.user, reader.lid.server, device)
    attrs: dict[str, Any] = {"id": ids[0], "t": now(), "type": kind}
    if group is not None:
        attrs |= {"from": group, "participant": source, "participant_pn": reader.jid}
    else:
        attrs |= {"from": source, "sender_pn": reader.jid}
    push_receipt(world, writer, attrs, ids)
    note_status(world, writer, ids, kind or "delivered", reader)


def push_receipt(world: World, account: Phone, attrs: dict[str, Any], ids: list[str]) -> None:
    items = [Node("item", {"id": i}) for i in ids[1:]]
    content = [Node("list", {}, items)] if items else None
    for companion in list(account.companions.values()):
        queues.push(world, account, companion, Node("receipt", dict(attrs), content))


def read(world: World, reader: Phone, messages: list[Message], kind: str = "read") -> None:
    """`reader` opens messages on the phone: their writers hear of it, and the reader's own companions."""
    for sender_number in dict.fromkeys(m.sender for m in messages):
        for group in dict.fromkeys(m.group for m in messages if m.sender == sender_number):
            seen = [m for m in messages if m.sender == sender_number and m.group == group]
            _read_from(world, reader, world.phones[sender_number], seen, kind, group)


def _read_from(world: World, reader: Phone, writer: Phone, seen: list[Message], kind: str, group: str | None) -> None:
    ids, chat = [m.id for m in seen], JID.parse(group) if group else None
    mark_read(world, reader, seen)
    receipt(world, reader, writer, ids, kind, chat)
    attrs: dict[str, Any] = {"id": ids[0], "t": now(), "type": kind, "from": reader.lid}
    if chat is None:
        push_receipt(world, reader, attrs | {"recipient": writer.lid, "peer_recipient_pn": writer.jid}, ids)
    else:
        attrs |= {"from": chat, "participant": reader.lid, "participant_pn": reader.jid}
        push_receipt(world, reader, attrs, ids)
