"""What is written to a group: one body for all, and the key to it for each device that lacks it."""

from __future__ import annotations

from typing import Any

from sandbox.protocol.node import Node
from sandbox.protocol.protos import e2e
from sandbox.protocol.ratchet import SignalError
from sandbox.protocol.sender_key import SenderKey
from sandbox.protocol.wire import MalformedMessage
from sandbox.world import queues
from sandbox.world.ciphers import encrypt_for, parse
from sandbox.world.conversation import record_received, record_written
from sandbox.world.group import Group
from sandbox.world.message import with_secret
from sandbox.world.phone import Phone
from sandbox.world.post import new_message_id
from sandbox.world.queues import now
from sandbox.world.receipts import receipt
from sandbox.world.world import World


def send_to_group(
    world: World, sender: Phone, group: Group, proto: Any, *, message_id: str = "", stanza_type: str = "text"
) -> str:
    """What happens when a member writes on the phone itself; the writer's own companions see it too."""
    message_id = message_id or new_message_id()
    proto = with_secret(proto)
    record_written(world, sender, group.jid, proto, message_id)
    attrs = group_attrs(sender, group, message_id, stanza_type)
    # Shares first: after the body is encrypted the chain stands behind it, and a new reader could not open it.
    shares = {
        (member.number, device): _key_shares(world, sender, group, member, device)
        for member in world.members(group)
        for device in list(member.companions)
    }
    body = _group_enc(world, sender, group, proto)
    for (number, device), keys in shares.items():
        member = world.phones[number]
        queues.push(world, member, member.companions[device], Node("message", dict(attrs), [*keys, body]))
    for member in world.members(group):
        if member is not sender:
            arrive_in_group(world, member, sender, group, proto, message_id)
    return message_id


def group_attrs(sender: Phone, group: Group, message_id: str, stanza_type: str) -> dict[str, Any]:
    return {
        "from": group.address,
        "participant": sender.lid,
        "participant_pn": sender.jid,
        "addressing_mode": "lid",
        "id": message_id,
        "t": now(),
        "type": stanza_type,
        "notify": sender.name,
    }


def arrive_in_group(world: World, member: Phone, sender: Phone, group: Group, proto: Any, message_id: str) -> None:
    received = record_received(world, member, sender, proto, message_id, group.jid)
    if received is not None and world.faults.delivers(member.number):
        receipt(world, member, sender, [message_id], group=group.address)


def own_sender_key(world: World, sender: Phone, group: Group) -> SenderKey:
    key = _key(group.jid, str(sender.lid))
    if key not in sender.sender_keys:
        sender.sender_keys[key] = SenderKey.new()
        world.keep.sender_key(sender, key)
    return sender.sender_keys[key]


def distribution(world: World, sender: Phone, group: Group) -> Any:
    """A message that hands over the sender's key as it is now."""
    proto = e2e.Message()
    share = proto.senderKeyDistributionMessage
    share.groupID = group.jid
    share.axolotlSenderKeyDistributionMessage = own_sender_key(world, sender, group).distribution()
    return proto


def _key_shares(world: World, sender: Phone, group: Group, member: Phone, device: int) -> list[Node]:
    """Nothing for a device that has the key already."""
    companion = member.companions[device]
    holders, address = sender.sender_key_holders.setdefault(group.jid, set()), member.address_of(companion)
    if address in holders:
        return []
    holders.add(address)
    world.keep.sender_key_holder(sender, group.jid, address)
    return [encrypt_for(world, sender, member, companion, distribution(world, sender, group))]


def _group_enc(world: World, sender: Phone, group: Group, proto: Any) -> Node:
    key = own_sender_key(world, sender, group)
    data = key.encrypt(proto.SerializeToString())
    world.keep.sender_key(sender, _key(group.jid, str(sender.lid)))
    return Node("enc", {"v": "2", "type": "skmsg"}, data)


def learn_sender_key(world: World, reader: Phone, sender: str, proto: Any) -> None:
    """Somebody's key to a group, which came in a message of its own."""
    share = proto.senderKeyDistributionMessage
    key = _key(share.groupID, sender)
    try:
        reader.sender_keys[key] = SenderKey.from_distribution(share.axolotlSenderKeyDistributionMessage)
    except MalformedMessage as error:
        raise SignalError("a damaged sender key") from error
    world.keep.sender_key(reader, key)


def decrypt_in_group(world: World, reader: Phone, group: str, sender: str, data: bytes) -> Any:
    key = _key(group, sender)
    if key not in reader.sender_keys:
        raise SignalError("no sender key")
    plain = reader.sender_keys[key].decrypt(data)
    world.keep.sender_key(reader, key)
    return parse(plain)


def _key(group: str, sender: str) -> str:
    return f"{group}|{sender}"
