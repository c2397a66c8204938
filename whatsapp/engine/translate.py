"""What neonize's event bytes mean in our words. Pure: bytes in, an `EngineEvent` out, or None for what we do not use.

Field meanings are whatsmeow's (types/events): a message's time is in milliseconds, a receipt's in seconds; chat and
sender are LIDs where WhatsApp has moved the chat to hidden identities, and the phone number is then in `SenderAlt`
(of what we receive) or `RecipientAlt` (of what our own phone sent).
"""

from typing import Any, Final

from neonize.events import INT_TO_EVENT

from whatsapp.engine import port

GROUP: Final = "g.us"
LID: Final = "lid"
PHONE: Final = "s.whatsapp.net"

#: neonize's numbers for the events that we subscribe to.
PAIR_STATUS, CONNECTED, KEEPALIVE_TIMEOUT, KEEPALIVE_RESTORED = 2, 3, 4, 5
LOGGED_OUT, STREAM_REPLACED, TEMPORARY_BAN, CONNECT_FAILURE = 6, 7, 8, 9
CLIENT_OUTDATED, STREAM_ERROR, DISCONNECTED = 10, 11, 12
MESSAGE, RECEIPT, UNDECRYPTABLE = 17, 18, 44
SUBSCRIBED: Final = (
    PAIR_STATUS,
    CONNECTED,
    KEEPALIVE_TIMEOUT,
    KEEPALIVE_RESTORED,
    LOGGED_OUT,
    STREAM_REPLACED,
    TEMPORARY_BAN,
    CONNECT_FAILURE,
    CLIENT_OUTDATED,
    DISCONNECTED,
    MESSAGE,
    RECEIPT,
    UNDECRYPTABLE,
)
#: Those that say what was said or sent, and stay true after a restart; the rest is about a connection that is gone.
LASTING: Final = frozenset({MESSAGE, RECEIPT, UNDECRYPTABLE})

# ConnectFailureReason, by number (whatsmeow types/events).
_MAIN_DEVICE_GONE, _CLIENT_OUTDATED = 4, 6
_RECEIPTS: Final = {
    1: port.ReceiptKind.DELIVERED,
    9: port.ReceiptKind.DELIVERED,  # inactive: delivered to a device that is not in the foreground
    4: port.ReceiptKind.READ,
    6: port.ReceiptKind.PLAYED,
}
_READ_BY_OURSELVES: Final = frozenset({5, 7})

#: Fields of a message that carry no content by themselves.
_ENVELOPE: Final = frozenset({"messageContextInfo", "senderKeyDistributionMessage"})
_KINDS: Final = {
    "conversation": "text",
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "documentWithCaptionMessage": "document",
    "stickerMessage": "sticker",
    "contactMessage": "contact",
    "contactsArrayMessage": "contact",
    "locationMessage": "location",
    "liveLocationMessage": "location",
    "pollCreationMessage": "poll",
    "pollCreationMessageV3": "poll",
}
#: Not something a person said: keys, edits of older messages, reactions. Their own features handle them.
_NOT_SHOWN: Final = frozenset({"protocolMessage", "reactionMessage", "encReactionMessage", "pollUpdateMessage"})


def translate(code: int, payload: bytes) -> port.EngineEvent | None:
    """The event, or None when it says nothing to us. Raises protobuf's DecodeError on bytes that are not an event."""
    handler = _HANDLERS.get(code)
    return handler(INT_TO_EVENT[code].FromString(payload)) if handler else None


def _paired(raw: Any) -> port.EngineEvent | None:
    if raw.Status != raw.SUCCESS:
        return port.Ended(port.Ending.PAIRING_ERROR, detail=raw.Error)
    return port.Paired(jid_text(raw.ID), platform=raw.Platform, business_name=raw.BusinessName)


def _logged_out(raw: Any) -> port.EngineEvent:
    gone = raw.Reason == _MAIN_DEVICE_GONE
    return port.Ended(port.Ending.MAIN_DEVICE_GONE if gone else port.Ending.LOGGED_OUT)


def _banned(raw: Any) -> port.EngineEvent:
    return port.Ended(port.Ending.TEMPORARY_BAN, detail=str(raw.Code), until_seconds=float(raw.Expire) or None)


def _connect_failure(raw: Any) -> port.EngineEvent:
    if raw.Reason == _CLIENT_OUTDATED:
        return port.Ended(port.Ending.CLIENT_OUTDATED)
    return port.Ended(port.Ending.CONNECT_FAILURE, detail=f"{raw.Reason} {raw.Message}".strip())


def _message(raw: Any) -> port.EngineEvent | None:
    field = _content_field(raw.Message)
    if raw.Info.Category == "peer" or field is None or field in _NOT_SHOWN or raw.IsEdit:
        return None
    source = raw.Info.MessageSource
    group, peer, sender = _where(source, raw.Info.Pushname)
    return port.MessageReceived(
        wa_id=raw.Info.ID,
        at=raw.Info.Timestamp / 1000,
        from_me=source.IsFromMe,
        group=group,
        peer=peer,
        sender=sender,
        kind=_KINDS.get(field, "other"),
        text=_text(raw.Message, field),
    )


def _unreadable(raw: Any) -> port.EngineEvent | None:
    if raw.Info.Category == "peer":
        return None
    group, peer, sender = _where(raw.Info.MessageSource, raw.Info.Pushname)
    return port.MessageUnreadable(raw.Info.ID, raw.Info.Timestamp / 1000, group=group, peer=peer, sender=sender)


def _receipt(raw: Any) -> port.EngineEvent | None:
    own = raw.Type in _READ_BY_OURSELVES
    kind = port.ReceiptKind.READ if own else _RECEIPTS.get(raw.Type)
    if kind is None:
        return None
    group, peer, _ = _where(raw.MessageSource, "")
    return port.ReceiptReceived(
        tuple(raw.MessageIDs), kind, at=float(raw.Timestamp), group=group, peer=peer, from_me=own
    )


def _where(source: Any, push_name: str) -> tuple[str, port.Person, port.Person]:
    """(group, peer, sender) of a message or receipt."""
    sender = _person(source.Sender, source.SenderAlt, name=push_name)
    if source.Chat.Server == GROUP:
        return jid_text(source.Chat, device=False), port.Person(), sender
    if source.IsFromMe:
        return "", _person(source.Chat, source.RecipientAlt), sender
    return "", _person(source.Chat, source.SenderAlt, name=push_name), sender


def _person(jid: Any, alternative: Any, name: str = "") -> port.Person:
    """One person out of the two addresses that WhatsApp gives, in whichever order they come."""
    by_server = {each.Server: each.User for each in (alternative, jid) if each.User}
    return port.Person(pn=by_server.get(PHONE, ""), lid=by_server.get(LID, ""), name=name)


def _content_field(message: Any) -> str | None:
    fields = (field.name for field, _ in message.ListFields())
    return next((name for name in fields if name not in _ENVELOPE), None)


def _text(message: Any, field: str) -> str:
    content = getattr(message, field)
    if isinstance(content, str):
        return content
    if field == "documentWithCaptionMessage":
        content = content.message.documentMessage
    for name in ("text", "caption", "displayName", "name"):
        if value := getattr(content, name, ""):
            return str(value)
    return ""


def jid_text(jid: Any, *, device: bool = True) -> str:
    suffix = f":{jid.Device}" if device and jid.Device else ""
    return f"{jid.User}{suffix}@{jid.Server}"


_HANDLERS: Final = {
    PAIR_STATUS: _paired,
    KEEPALIVE_TIMEOUT: lambda _: port.Alive(ok=False),
    KEEPALIVE_RESTORED: lambda _: port.Alive(),
    LOGGED_OUT: _logged_out,
    STREAM_REPLACED: lambda _: port.Ended(port.Ending.STREAM_REPLACED),
    TEMPORARY_BAN: _banned,
    CONNECT_FAILURE: _connect_failure,
    CLIENT_OUTDATED: lambda _: port.Ended(port.Ending.CLIENT_OUTDATED),
    DISCONNECTED: lambda _: port.ConnectionLost(),
    MESSAGE: _message,
    RECEIPT: _receipt,
    UNDECRYPTABLE: _unreadable,
}
