"""`<message>` from a companion: to whom it goes, device by device."""

from __future__ import annotations

import logging
from typing import Any

from sandbox.protocol.node import JID, LID, Attribute, Node
from sandbox.protocol.ratchet import SignalError
from sandbox.server.connection import Connection
from sandbox.world import group_post, post, queues, retries
from sandbox.world.ciphers import decrypt_from
from sandbox.world.conversation import record_received, record_written
from sandbox.world.group import Group
from sandbox.world.phone import Phone
from sandbox.world.queues import now
from sandbox.world.receipts import receipt

log = logging.getLogger(__name__)


def take(connection: Connection, stanza: Node) -> None:
    """Acknowledge, after delivering; or as a fault says."""
    faults, to = connection.world.faults, stanza.jid("to")
    if faults.hold_message_acks:
        return
    recipient = connection.world.find(to)
    error = None if recipient is None else faults.message_errors.get(recipient.number)
    if error is None:
        deliver(connection, stanza)
    attrs: dict[str, Attribute] = {"class": "message", "id": stanza.text("id"), "from": to, "t": now()}
    connection.send(Node("ack", attrs | {"error": None if error is None else str(error)}))


def deliver(connection: Connection, stanza: Node) -> None:
    """One part for each device; all of them first, so that no receipt overtakes the writer's own copy."""
    group = connection.world.groups.get(stanza.text("to"))
    if group is not None:
        _deliver_to_group(connection, stanza, group)
        return
    reached = [_deliver_to_device(connection, stanza, to, enc) for to, enc in _parts(stanza)]
    for phone in dict.fromkeys(p for p in reached if p is not None):
        if phone is not connection.account and connection.world.faults.delivers(phone.number):
            receipt(connection.world, phone, connection.account, [stanza.text("id")])


def _parts(stanza: Node) -> list[tuple[JID, Node]]:
    """(device, <enc>) pairs; a message sent again names its only device in the stanza itself."""
    participants, own = stanza.find("participants"), stanza.find("enc")
    parts = [] if participants is None else [(p.jid("jid"), p.find("enc")) for p in participants.children]
    if own is not None and participants is None:
        parts = [(stanza.jid("participant") or stanza.jid("to"), own)]
    return [(jid, enc) for jid, enc in parts if jid is not None and enc is not None]


def _deliver_to_device(connection: Connection, stanza: Node, to: JID, enc: Node) -> Phone | None:
    """The phone that read something new."""
    phone = connection.world.find(to)
    if phone is None:
        return None
    if to.device:
        _pass_on(connection, stanza, phone, to, enc)
        return None
    return phone if _read(connection, stanza, phone, to, enc) else None


def _pass_on(connection: Connection, stanza: Node, phone: Phone, to: JID, enc: Node) -> None:
    companion = phone.companions.get(to.device)
    if companion is None:
        return
    by_lid = to.server == LID
    attrs: dict[str, Attribute] = {
        "from": connection.lid if by_lid else connection.jid,
        "id": stanza.text("id"),
        "t": now(),
        "type": stanza.text("type"),
        "notify": connection.account.name,
        "edit": stanza.text("edit"),
        "addressing_mode": "lid" if by_lid else None,
    }
    if phone is connection.account:
        peer = connection.world.find(stanza.jid("recipient") or stanza.jid("to"))
        attrs |= post.recipient_attrs(peer)
    else:
        attrs |= {"sender_pn": connection.account.jid if by_lid else None}
    queues.push(connection.world, phone, companion, Node("message", attrs, [enc]))


def _read(connection: Connection, stanza: Node, phone: Phone, to: JID, enc: Node) -> bool:
    """A phone opens its part.  A message whose ack was lost comes twice and is no news."""
    world, account, message_id = connection.world, connection.account, stanza.text("id")
    own = phone is account
    if message_id in account.written if own else (account.number, message_id) in phone.received:
        return False
    try:
        proto = decrypt_from(world, phone, connection.lid if to.server == LID else connection.jid, enc)
    except SignalError as error:
        return _unreadable(connection, stanza, phone, error)
    retries.stop_asking(world, phone, account, connection.companion, message_id)
    if own:
        return _keep_own(connection, proto, message_id)
    return record_received(world, phone, account, proto, message_id) is not None


def _keep_own(connection: Connection, proto: Any, message_id: str) -> bool:
    """What a companion wrote, as it tells its own phone."""
    sent = proto.deviceSentMessage
    recipient = connection.world.find(JID.parse(sent.destinationJID)) if sent.destinationJID else None
    if recipient is None:
        return False  # about the account, for the phone itself
    record_written(connection.world, connection.account, recipient.number, sent.message, message_id)
    return True


def _unreadable(connection: Connection, stanza: Node, phone: Phone, error: SignalError) -> bool:
    log.debug("%s cannot read %s: %s", phone.number, stanza.text("id"), error)
    phone.undecryptable.append((stanza.text("id"), str(error)))
    retries.ask_again(connection.world, phone, connection.account, connection.companion, stanza)
    return False


# -- groups ---------------------------------------------------------------------------------------------------


def _deliver_to_group(connection: Connection, stanza: Node, group: Group) -> None:
    world, account = connection.world, connection.account
    keys = {str(jid): enc for jid, enc in _parts(stanza)}
    body = next((enc for enc in stanza.all("enc") if enc.text("type") == "skmsg"), None)
    reached = []
    for member in world.members(group):
        _pass_on_in_group(connection, stanza, group, member, keys, body)
        if _read_in_group(connection, stanza, group, member, keys, body):
            reached.append(member)
    for member in reached:
        if member is not account and world.faults.delivers(member.number):
            receipt(world, member, account, [stanza.text("id")], group=group.address)


def _pass_on_in_group(
    connection: Connection, stanza: Node, group: Group, member: Phone, keys: dict[str, Node], body: Node | None
) -> None:
    attrs = group_post.group_attrs(connection.account, group, stanza.text("id"), stanza.text("type"))
    attrs["participant"] = connection.lid
    for companion in list(member.companions.values()):
        key = keys.get(member.address_of(companion))
        content = [enc for enc in (key, body) if enc is not None]
        if companion is not connection.companion and content:
            queues.push(connection.world, member, companion, Node("message", dict(attrs), content))


def _read_in_group(
    connection: Connection, stanza: Node, group: Group, member: Phone, keys: dict[str, Node], body: Node | None
) -> bool:
    """The key first, then what it opens; a message sent again has both in one."""
    world, account, message_id = connection.world, connection.account, stanza.text("id")
    own = member is account
    if message_id in account.written if own else (account.number, message_id) in member.received:
        return False
    sender, proto = str(connection.lid), None
    try:
        if (key := keys.get(str(member.lid))) is not None:
            proto = decrypt_from(world, member, connection.lid, key)
            if proto.HasField("senderKeyDistributionMessage"):
                group_post.learn_sender_key(world, member, sender, proto)
        if body is not None:
            proto = group_post.decrypt_in_group(world, member, group.jid, sender, body.data)
    except SignalError as error:
        return _unreadable(connection, stanza, member, error)
    if proto is None:
        return False
    retries.stop_asking(world, member, account, connection.companion, message_id)
    if own:
        return record_written(world, account, group.jid, proto, message_id) is not None
    return record_received(world, member, account, proto, message_id, group.jid) is not None
