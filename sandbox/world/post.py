"""What is written to a person reaches their phone, their companions and the writer's own companions."""

from __future__ import annotations

import os
from typing import Any

from sandbox.protocol.node import Node
from sandbox.protocol.protos import e2e
from sandbox.world import queues
from sandbox.world.ciphers import encrypt_for
from sandbox.world.companion import Companion
from sandbox.world.conversation import record_received, record_written
from sandbox.world.message import with_secret
from sandbox.world.phone import Phone
from sandbox.world.queues import now
from sandbox.world.receipts import receipt
from sandbox.world.world import World


def new_message_id() -> str:
    return "3A" + os.urandom(9).hex().upper()


def send(
    world: World,
    sender: Phone,
    recipient: Phone,
    proto: Any,
    *,
    message_id: str = "",
    stanza_type: str = "text",
    with_lid: bool = True,
) -> str:
    """What happens when `sender` writes on the phone itself; `with_lid=False` addresses by number, as of old."""
    message_id = message_id or new_message_id()
    proto = with_secret(proto)
    record_written(world, sender, recipient.number, proto, message_id)
    if recipient is not sender:
        attrs = attrs_of(sender, message_id, stanza_type, with_lid)
        for companion in list(recipient.companions.values()):
            enc = encrypt_for(world, sender, recipient, companion, proto)
            queues.push(world, recipient, companion, Node("message", dict(attrs), [enc]))
    mirror(world, sender, recipient, proto, message_id, stanza_type)
    if recipient is not sender:
        arrive(world, recipient, sender, proto, message_id)
    return message_id


def attrs_of(sender: Phone, message_id: str, stanza_type: str, with_lid: bool = True) -> dict[str, Any]:
    attrs: dict[str, Any] = {"id": message_id, "t": now(), "type": stanza_type, "notify": sender.name}
    if with_lid:
        return attrs | {"from": sender.lid, "sender_pn": sender.jid, "addressing_mode": "lid"}
    return attrs | {"from": sender.jid, "sender_lid": sender.lid}


def mirror(
    world: World, sender: Phone, recipient: Phone, proto: Any, message_id: str, stanza_type: str = "text"
) -> None:
    """The writer's own companions see it too: from the account itself, wrapped with where it went."""
    for companion in list(sender.companions.values()):
        enc = encrypt_for(world, sender, sender, companion, device_sent(recipient, proto))
        queues.push(world, sender, companion, mirrored(sender, recipient, message_id, stanza_type, enc))


def device_sent(recipient: Phone, proto: Any) -> Any:
    wrapped = e2e.DeviceSentMessage(destinationJID=str(recipient.lid), message=proto)
    outer = e2e.Message(deviceSentMessage=wrapped)
    if proto.HasField("messageContextInfo"):
        outer.messageContextInfo.CopyFrom(proto.messageContextInfo)
    return outer


def mirrored(sender: Phone, recipient: Phone, message_id: str, stanza_type: str, enc: Node) -> Node:
    attrs: dict[str, Any] = {
        "from": sender.lid,
        "addressing_mode": "lid",
        "id": message_id,
        "t": now(),
        "type": stanza_type,
        "notify": sender.name,
    }
    return Node("message", attrs | recipient_attrs(recipient), [enc])


def recipient_attrs(recipient: Phone | None) -> dict[str, Any]:
    """Where a message, or a receipt about one, went that comes from the account itself."""
    if recipient is None:
        return {}
    return {"recipient": recipient.lid, "peer_recipient_pn": recipient.jid}


def send_peer(world: World, account: Phone, companion: Companion, proto: Any, message_id: str = "") -> None:
    """From a phone to one of its own companions, about the account and not to be shown."""
    attrs: dict[str, Any] = {
        "from": account.lid,
        "sender_pn": account.jid,
        "id": message_id or new_message_id(),
        "t": now(),
        "type": "text",
        "category": "peer",
    }
    enc = encrypt_for(world, account, account, companion, proto)
    queues.push(world, account, companion, Node("message", attrs, [enc]))


def arrive(world: World, recipient: Phone, sender: Phone, proto: Any, message_id: str) -> None:
    """It reaches the recipient's phone, which says so unless it is switched off."""
    received = record_received(world, recipient, sender, proto, message_id)
    if received is not None and world.faults.delivers(recipient.number):
        receipt(world, recipient, sender, [message_id])
