"""When a device cannot read a message it asks for it again, and gets it under a fresh session."""

from __future__ import annotations

from typing import Any

from sandbox.protocol.node import GROUP, Node
from sandbox.protocol.signal_device import PreKeyBundle
from sandbox.world import group_post, post, queues
from sandbox.world.ciphers import encrypt_for
from sandbox.world.companion import Companion, asker
from sandbox.world.message import Message
from sandbox.world.phone import Phone
from sandbox.world.queues import MAX_ATTEMPTS, now
from sandbox.world.world import World

# -- a companion could not read what a phone wrote ------------------------------------------------------------


def send_again(world: World, writer: Phone, account: Phone, companion: Companion, retry: Node) -> bool:
    """Answer a retry receipt of `companion`; False when there is nothing to send or it asked too often."""
    message_id = retry.text("id")
    attempts = companion.resent[message_id] = companion.resent.get(message_id, 0) + 1
    if attempts > MAX_ATTEMPTS:
        return False
    message = writer.written.get(message_id)
    if message is None and writer is not account:
        return False
    bundle = _bundle_in(retry) or world.hand_out_prekey(account, companion)
    writer.signal.start(account.address_of(companion), bundle)
    if message is None:  # the one thing a phone says to its own companion without keeping it
        post.send_peer(world, account, companion, account.app_state.key_share(), message_id)
        return True
    stanza = _again(world, writer, account, companion, message)
    stanza.need("enc").attrs["count"] = str(attempts)
    queues.push(world, account, companion, stanza)
    return True


def _again(world: World, writer: Phone, account: Phone, companion: Companion, message: Message) -> Node:
    if message.group is not None:
        return _again_in_group(world, writer, account, companion, message)
    recipient = world.phones[message.peer]
    stanza_type = _stanza_type(message)
    if writer is account:
        enc = encrypt_for(world, writer, account, companion, post.device_sent(recipient, message.proto))
        return post.mirrored(writer, recipient, message.id, stanza_type, enc)
    enc = encrypt_for(world, writer, account, companion, message.proto)
    return Node("message", post.attrs_of(writer, message.id, stanza_type), [enc])


def _again_in_group(world: World, writer: Phone, account: Phone, companion: Companion, message: Message) -> Node:
    """The message itself for this one device, with the key to all that follow."""
    group = world.groups[message.peer]
    proto = message.proto
    proto.MergeFrom(group_post.distribution(world, writer, group))
    enc = encrypt_for(world, writer, account, companion, proto)
    return Node("message", group_post.group_attrs(writer, group, message.id, _stanza_type(message)), [enc])


def _stanza_type(message: Message) -> str:
    return "text" if message.kind in ("text", "revoke", "edit", "reaction") else "media"


def _bundle_in(retry: Node) -> PreKeyBundle | None:
    keys = retry.find("keys")
    if keys is None:
        return None
    prekey, signed = keys.find("key"), keys.need("skey")
    return PreKeyBundle(
        int.from_bytes(retry.need("registration").data, "big"),
        keys.need("identity").data,
        int.from_bytes(signed.need("id").data, "big"),
        signed.need("value").data,
        signed.need("signature").data,
        None if prekey is None else int.from_bytes(prekey.need("id").data, "big"),
        None if prekey is None else prekey.need("value").data,
    )


# -- a phone could not read what a companion wrote ------------------------------------------------------------


def ask_again(world: World, reader: Phone, account: Phone, companion: Companion, stanza: Node) -> None:
    """`reader`'s phone sends a retry receipt with fresh keys; bounded, a device may not know the message."""
    message_id = stanza.text("id")
    stop_asking(world, reader, account, companion, message_id)
    attempts = reader.asked_again[message_id] = reader.asked_again.get(message_id, 0) + 1
    bundle = world.bundle_for(reader.lid)
    if attempts > MAX_ATTEMPTS or bundle is None:
        return
    retry = Node("retry", {"count": str(attempts), "id": message_id, "t": now(), "v": "1"})
    content = [retry, _registration(bundle), Node("keys", {}, _key_nodes(bundle))]
    attrs = {"id": message_id, "t": now(), "type": "retry"} | _asked_from(world, reader, account, stanza)
    queues.push(world, account, companion, Node("receipt", attrs, content))


def stop_asking(world: World, reader: Phone, account: Phone, companion: Companion, message_id: str) -> None:
    """`reader` has the message, or asks for it anew."""
    if message_id not in reader.asked_again:
        return
    for seq, node in list(companion.queue.items()):
        if node.find("retry") is not None and node.text("id") == message_id and asker(node) == reader.lid:
            queues.forget(world, account, companion, seq)


def _asked_from(world: World, reader: Phone, account: Phone, stanza: Node) -> dict[str, Any]:
    chat = stanza.jid("to")
    if chat is not None and chat.server == GROUP:
        return {"from": chat, "participant": reader.lid, "participant_pn": reader.jid}
    if reader is not account:
        return {"from": reader.lid, "sender_pn": reader.jid}
    peer = world.find(stanza.jid("recipient") or chat)
    return {"from": reader.lid} | post.recipient_attrs(peer)


def _registration(bundle: PreKeyBundle) -> Node:
    return Node("registration", {}, bundle.registration_id.to_bytes(4, "big"))


def _key_nodes(bundle: PreKeyBundle) -> list[Node]:
    """Identity, signed prekey, and a one-time prekey where there is one."""
    nodes = [
        Node("type", {}, b"\x05"),
        Node("identity", {}, bundle.identity),
        Node(
            "skey",
            {},
            [
                Node("id", {}, bundle.signed_id.to_bytes(3, "big")),
                Node("value", {}, bundle.signed_pub),
                Node("signature", {}, bundle.signature),
            ],
        ),
    ]
    if bundle.prekey_id is not None and bundle.prekey_pub is not None:
        number = Node("id", {}, bundle.prekey_id.to_bytes(3, "big"))
        nodes.append(Node("key", {}, [number, Node("value", {}, bundle.prekey_pub)]))
    return nodes


def bundle_nodes(bundle: PreKeyBundle) -> list[Node]:
    """A bundle as an answer to somebody who asks for keys."""
    return [_registration(bundle), *_key_nodes(bundle)]
