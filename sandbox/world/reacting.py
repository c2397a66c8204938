"""What somebody puts on a message, on the phone itself."""

from __future__ import annotations

from typing import Any

from sandbox.protocol.protos import e2e
from sandbox.world import post
from sandbox.world.group_post import send_to_group
from sandbox.world.message import Message
from sandbox.world.phone import Phone
from sandbox.world.world import World


def react(world: World, phone: Phone, message: Message, emoji: str) -> str:
    """Put `emoji` on a message of one of the phone's conversations; an empty one takes it back. Returns its own id."""
    proto = reaction(world, phone, message, emoji)
    if message.group is not None:
        return send_to_group(world, phone, world.groups[message.group], proto, stanza_type="reaction")
    return post.send(world, phone, world.phones[message.peer], proto, stanza_type="reaction")


def reaction(world: World, phone: Phone, message: Message, emoji: str) -> Any:
    proto = e2e.Message()
    key = proto.reactionMessage.key
    key.ID, key.fromMe = message.id, message.from_me
    key.remoteJID = message.group or str(world.phones[message.peer].lid)
    if message.group is not None:
        key.participant = str(world.phones[message.sender].lid)
    proto.reactionMessage.text = emoji
    return proto
