"""What waits for a companion: every stanza stays queued until the device has acknowledged it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from sandbox.protocol.node import JID, SERVER_JID, Attribute, Node
from sandbox.world.companion import Companion, StanzaKey, stanza_key
from sandbox.world.phone import Phone
from sandbox.world.world import LOW_PREKEYS, World


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
        companion.unacked[stanza_key(node, "from")] = seq
        companion.line.send(node)


def acknowledge(world: World, phone: Phone, companion: Companion, key: StanzaKey) -> None:
    seq = companion.unacked.pop(key, None)
    if seq is not None and companion.queue.pop(seq, None) is not None:
        world.keep.acknowledged(phone, companion, seq)


def send_waiting(companion: Companion) -> None:
    """Everything that came while the device was away, between its two announcements."""
    line = companion.line
    if line is None:
        return
    waiting = list(companion.queue.items())
    if waiting:
        line.send(_preview([node for _, node in waiting]))
    for seq, node in waiting:
        companion.unacked[stanza_key(node, "from")] = seq
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
