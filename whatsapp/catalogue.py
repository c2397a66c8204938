"""What kinds of events there are, who may hear of each, and what it says; docs/events.md has this table."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Of an event as it is told outside. It rises when something that was there goes or changes its meaning.
SCHEMA_VERSION: Final = 1


class Audience(StrEnum):
    """Who hears of it: who sees the session, who may read its chats, one person, whoever sees all sessions."""

    SESSION = "session"
    CHATS = "chats"
    PERSON = "person"
    ADMINS = "admins"


@dataclass(frozen=True)
class Kind:
    name: str
    audience: Audience
    meaning: str
    #: The keys of `data`, with what stands there.
    data: dict[str, str]


_SESSION: Final = {"…": "the session, as `GET /api/whatsapp/sessions/<id>` has it without its QR code"}
_CHAT: Final = {"…": "the chat, as the list of chats has it"}

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("session.created", Audience.ADMINS, "A session was made, or taken up again.", _SESSION),
        Kind("session.changed", Audience.SESSION, "A session's state, reason, number or name changed.", _SESSION),
        Kind(
            "message.new",
            Audience.CHATS,
            "A message is in a chat: received, written on the phone, or queued here.",
            {
                "chat": "the chat, as the list of chats has it",
                "message": "the message, as the list of messages has it",
                "account": "the number it came to or goes from: `id`, `phone`, `name`",
                "sender": "the contact who wrote it: `id`, `phone`, `lid`, `name`; null for ours",
            },
        ),
        Kind(
            "message.status",
            Audience.CHATS,
            "What is known of a message of ours climbed or failed; or one that could not be read now can be.",
            {
                "id": "the message",
                "chatId": "its chat",
                "sessionId": "its session",
                "messageId": "WhatsApp's id; empty until it is known",
                "status": "`queued`, `sent`, `server_ack`, `delivered`, `read`, `failed`, `unconfirmed`, `cancelled`; "
                "`received` of what can be read now",
                "errorCode": "why it failed; null else",
                "retryAt": "when it may be tried again, where anybody can tell; null else",
            },
        ),
        Kind(
            "message.lost",
            Audience.CHATS,
            "A message came and could not be kept, because a process was killed: ask its sender to send it again. "
            "`message.new` tells of its row too, which is `unreadable`; should WhatsApp send it again it is filled in.",
            {
                "id": "the message",
                "chatId": "its chat",
                "sessionId": "its session",
                "messageId": "WhatsApp's id",
                "fromMe": "whether it was written on our own phone",
                "sender": "the contact who wrote it: `id`, `phone`, `lid`, `name`; null for ours",
                "after": "it came after this moment",
                "before": "and before this one",
            },
        ),
        Kind(
            "message.reaction",
            Audience.CHATS,
            "Somebody put a reaction on a message, changed it or took it back.",
            {
                "id": "the message",
                "chatId": "its chat",
                "sessionId": "its session",
                "messageId": "WhatsApp's id of it",
                "reactions": "all that are on it now: `emoji`, `fromMe`, `name`, `at`",
            },
        ),
        Kind("chat.changed", Audience.CHATS, "A chat was read, archived, named or handed over.", _CHAT),
        Kind(
            "access.changed",
            Audience.PERSON,
            "A manager's rights on a session were given, changed or taken.",
            {
                "sessionId": "the session; empty when it is about the membership itself",
                "rights": "`can_read`, `can_write`, `can_manage_chats`; null when there are none any more",
                "byUserId": "who did it; null for the platform",
            },
        ),
        Kind(
            "webhook.disabled",
            Audience.ADMINS,
            "An endpoint gets nothing any more ([webhooks.md](webhooks.md)).",
            {
                "id": "the endpoint",
                "description": "what people wrote about it",
                "reason": "`by_person`, `gone`, `unreachable`, `secret_unreadable`",
            },
        ),
    )
}


def page() -> str:
    """The catalogue as Markdown."""
    lines = ["| type | when | `data` |", "|---|---|---|"]
    for kind in KINDS.values():
        keys = "; ".join(f"`{key}`: {meaning}" if key != "…" else meaning for key, meaning in kind.data.items())
        lines.append(f"| `{kind.name}` | {kind.meaning} | {keys} |")
    return "\n".join(lines) + "\n"
