"""What waits for a companion: every stanza stays queued until the device has acknowledged it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from sandbox.protocol.node import JID, SERVER_JID, Attribute, Node
from sandbox.world.companion import Companion, Handed, StanzaKey, asker, stanza_key
from sandbox.world.phone import Acknowledged, Phone
from sandbox.world.world import LOW_PREKEYS, World

RECEIVED, PUT_ASIDE = "received", "putAside"
MAX_ATTEMPTS = 5  # how often a message is asked for, and sent again


def now() -> str:
    return str(int(time.time()))


def new_stanza_id() -> str:
    return os.urandom(8).hex().upper()


def push(world: World, phone: Phone, companion: Companion, node: Node) -> None:
    """Deliver now if the device is active, and again after every reconnect until it acknowledges."""
    seq = world.next_seq()
    companion.queue[seq] = node
    world.keep.queued(phone, companion, seq, node)
    if companion.line is not None and companion.line.is_active:
        on_its_way(companion, seq, node, waited=False)
        companion.line.send(node)


def on_its_way(companion: Companion, seq: int, node: Node, *, waited: bool) -> None:
    companion.handed.setdefault(seq, []).append(Handed(time.time(), waited))
    companion.unacked.setdefault(stanza_key(node, "from"), []).append(seq)


def acknowledge(world: World, phone: Phone, companion: Companion, key: StanzaKey, how: str = RECEIVED) -> None:
    """It has the stanza; a request for a message stays until the message came, see `asked_once_more`.

    `how` it has a message: RECEIVED, or PUT_ASIDE, because it could not read it.  A message that was asked for again is
    on its way a second time under the same key, so the oldest is meant.
    """
    seqs = companion.unacked.get(key)
    seq = seqs.pop(0) if seqs else None
    node = None if seq is None else companion.queue.get(seq)
    if seq is None or node is None or asked_once_more(world, phone, companion, seq, node):
        return
    if node.tag == "message":
        handed = tuple(companion.handed.get(seq, ()))
        entry = Acknowledged(world.next_seq(), time.time(), companion.device, node.text("id"), how, handed)
        phone.acknowledged.append(entry)
    forget(world, phone, companion, seq)


def forget(world: World, phone: Phone, companion: Companion, seq: int) -> None:
    del companion.queue[seq]
    companion.handed.pop(seq, None)
    world.keep.acknowledged(phone, companion, seq)


def asked_once_more(world: World, phone: Phone, companion: Companion, seq: int, node: Node) -> bool:
    """Whether a phone will repeat its retry receipt when the device connects again.

    whatsmeow acknowledges a retry receipt before it sends the message again; a connection that ends in between
    would leave the phone waiting for good.
    """
    retry = node.find("retry")
    if retry is None or asker(node).device or int(retry.text("count")) >= MAX_ATTEMPTS:
        return False
    retry.attrs["count"] = str(int(retry.text("count")) + 1)
    world.keep.queued(phone, companion, seq, node)
    return True


def send_waiting(companion: Companion) -> None:
    """Everything that came while the device was away, between its two announcements."""
    line = companion.line
    if line is None:
        return
    waiting = list(companion.queue.items())
    if waiting:
        line.send(_preview([node for _, node in waiting]))
    for seq, node in waiting:
        on_its_way(companion, seq, node, waited=True)
        line.send(Node(node.tag, {**node.attrs, "offline": "0"}, node.content))
    line.send(Node("ib", {"from": SERVER_JID}, [Node("offline", {"count": str(len(waiting))})]))


def _preview(nodes: list[Node]) -> Node:
    attrs: dict[str, Attribute] = {"count": str(len(nodes)), "appdata": "0"}
    for tag in ("message", "notification", "receipt"):
        attrs[tag] = str(sum(node.tag == tag for node in nodes))
    return Node("ib", {"from": SERVER_JID}, [Node("offline_preview", attrs)])


def notify(world: World, phone: Phone, companion: Companion, kind: str, source: JID, content: Sequence[Node]) -> None:
    attrs: dict[str, Attribute] = {"from": source, "type": kind, "id": new_stanza_id(), "t": now()}
    push(world, phone, companion, Node("notification", attrs, list(content)))


def ask_for_prekeys(world: World, phone: Phone, companion: Companion) -> None:
    """Said once on the way down; without one-time prekeys sessions still open, with the signed one alone."""
    if len(companion.prekeys) == LOW_PREKEYS:
        count = [Node("count", {"value": str(LOW_PREKEYS)})]
        notify(world, phone, companion, "encrypt", SERVER_JID, count)
