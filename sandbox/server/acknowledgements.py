"""`<receipt>` and `<ack>` from a companion: what it has, what it read, what it could not read."""

from __future__ import annotations

import logging

from sandbox.protocol.node import GROUP, Attribute, Node
from sandbox.server.connection import Connection
from sandbox.world import queues, retries
from sandbox.world.companion import StanzaKey, stanza_key
from sandbox.world.conversation import mark_read
from sandbox.world.phone import Phone, ReceiptSeen
from sandbox.world.receipts import receipt

log = logging.getLogger(__name__)

OPENED = ("read", "read-self", "played")
PRIVATE = ("retry", "sender", "peer_msg", "hist_sync", "server-error", "read-self")  # not for the writer


def ack(connection: Connection, stanza: Node) -> None:
    """It has this notification or receipt; or a message that it could not read, whether it asks for it again or not."""
    tag, kind = stanza.text("class"), stanza.text("type")
    key = (tag, stanza.text("id"), "" if tag == "message" else kind, stanza.text("to"), stanza.text("participant"))
    queues.acknowledge(connection.world, connection.account, connection.companion, key, queues.PUT_ASIDE)


def receipt_in(connection: Connection, stanza: Node) -> None:
    kind = stanza.text("type")
    answer: dict[str, Attribute] = {"class": "receipt", "id": stanza.text("id"), "from": stanza.jid("to")}
    answer |= {"type": kind, "participant": stanza.jid("participant")}
    connection.send(Node("ack", answer))
    ids = [stanza.text("id"), *(item.text("id") for item in _items(stanza))]
    if kind == "retry":
        # It acknowledges nothing: an <ack> to the message that could not be read comes beside it.
        _retry(connection, stanza)
        return
    for message_id in ids:
        key = _message_key(stanza, message_id)
        queues.acknowledge(connection.world, connection.account, connection.companion, key)
    writer = _writer(connection, stanza)
    if kind in OPENED:
        _opened(connection, stanza, ids)
    if writer is not None:
        _tell(connection, writer, ids, kind, stanza)


def _items(stanza: Node) -> list[Node]:
    listed = stanza.find("list")
    return [] if listed is None else listed.all("item")


def _message_key(stanza: Node, message_id: str) -> StanzaKey:
    _, _, _, to, participant = stanza_key(stanza, "to")
    return "message", message_id, "", to, participant


def _writer(connection: Connection, stanza: Node) -> Phone | None:
    """Whose message it is about; in a group the participant."""
    to = stanza.jid("to")
    if to is not None and to.server == GROUP:
        to = stanza.jid("participant")
    return connection.world.find(to)


def _retry(connection: Connection, stanza: Node) -> None:
    connection.watch.retries.append(stanza)
    writer = _writer(connection, stanza)
    if writer is not None and not _by_a_companion(connection, stanza):
        world, account, companion = connection.world, connection.account, connection.companion
        retries.send_again(world, writer, account, companion, stanza)
    elif writer is not None:
        _pass_on_retry(connection, writer, stanza)


def _by_a_companion(connection: Connection, stanza: Node) -> bool:
    """Whether the message was encrypted by a companion rather than by the phone of its writer."""
    source = stanza.jid("participant") or stanza.jid("to")
    return source is not None and source.device != 0


def _pass_on_retry(connection: Connection, writer: Phone, stanza: Node) -> None:
    """Only the device that encrypted a message can encrypt it again."""
    source, to = stanza.jid("participant") or stanza.jid("to"), stanza.jid("to")
    companion = None if source is None else writer.companions.get(source.device)
    if companion is None:
        return
    attrs: dict[str, Attribute] = {**stanza.attrs, "to": None, "from": connection.lid, "t": queues.now()}
    if to is not None and to.server == GROUP:
        attrs |= {"from": to, "participant": connection.lid, "participant_pn": connection.account.jid}
    else:
        attrs |= {"participant": None, "sender_pn": connection.account.jid}
    queues.push(connection.world, writer, companion, Node("receipt", attrs, stanza.content))


def _opened(connection: Connection, stanza: Node, ids: list[str]) -> None:
    """Read on a companion is read on the phone."""
    received = connection.account.received
    writer = _writer(connection, stanza)
    found = (received.get((writer.number, i)) for i in ids) if writer is not None else iter(())
    mark_read(connection.world, connection.account, [m for m in found if m is not None])


def _tell(connection: Connection, writer: Phone, ids: list[str], kind: str, stanza: Node) -> None:
    for message_id in ids:
        writer.receipts.append(ReceiptSeen(message_id, kind or "delivered", str(connection.jid)))
    if kind in PRIVATE or writer is connection.account:
        return
    to, device = stanza.jid("to"), connection.companion.device
    group = to if to is not None and to.server == GROUP else None
    receipt(connection.world, connection.account, writer, ids, kind, group, device)
