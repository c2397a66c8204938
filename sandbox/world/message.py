"""A message as a phone keeps it: what its owner sees in a conversation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from sandbox.protocol.protos import e2e

# What a person would call it, by the protobuf field that is set.
KINDS = {
    "conversation": "text",
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "documentWithCaptionMessage": "document",
    "stickerMessage": "sticker",
    "contactMessage": "contact",
    "locationMessage": "location",
    "reactionMessage": "reaction",
    "pollCreationMessage": "poll",
    "pollCreationMessageV3": "poll",
    "protocolMessage": "protocol",
}
STATUSES = ("sent", "delivered", "read", "played")  # in the order they come


@dataclass
class Message:
    """`peer` is the other person's number, or the group's JID; `sender` is who wrote it."""

    seq: int
    id: str
    sender: str
    peer: str
    from_me: bool
    text: str
    kind: str
    at: float
    body: bytes
    group: str | None = None
    read: bool = False
    status: str = ""

    @property
    def proto(self) -> Any:
        return e2e.Message.FromString(self.body)

    @property
    def is_reaction(self) -> bool:
        """It is no message of its own: it stands at the one that it is about."""
        return self.kind == "reaction"

    @property
    def reacts_to(self) -> str:
        """The id of that message."""
        return str(self.proto.reactionMessage.key.ID)

    def reach(self, status: str) -> bool:
        """Note how far it came; False when that was known."""
        if not self.from_me or STATUSES.index(status) <= STATUSES.index(self.status or STATUSES[0]):
            return False
        self.status = status
        return True


def with_secret(proto: Any) -> Any:
    """As a phone writes it: with 32 random bytes that later votes, reports and the like refer to."""
    if not proto.messageContextInfo.messageSecret:
        proto.messageContextInfo.messageSecret = os.urandom(32)
    return proto


def text_of(proto: Any) -> str:
    """What was said, or the name of what was sent."""
    document = proto.documentWithCaptionMessage.message.documentMessage
    found = proto.conversation or proto.extendedTextMessage.text
    for part in (proto.imageMessage, proto.videoMessage, proto.documentMessage, document):
        found = found or part.caption
    found = found or proto.documentMessage.fileName or proto.contactMessage.displayName
    found = found or proto.locationMessage.name or proto.pollCreationMessageV3.name
    return str(found or proto.reactionMessage.text)


def kind_of(proto: Any) -> str:
    return next((kind for name, kind in KINDS.items() if proto.HasField(name)), "other")
