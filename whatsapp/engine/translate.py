"""What neonize's event bytes mean in our words. Pure: bytes in, an `EngineEvent` out, or None for what we do not use.

Whoever writes to us chooses texts, names and message ids, so what leaves here fits a database: see `clean` and `_id`.

Field meanings are whatsmeow's (types/events): a message's time is in milliseconds, a receipt's in seconds; chat and
sender are LIDs where WhatsApp has moved the chat to hidden identities, and the phone number is then in `SenderAlt`
(of what we receive) or `RecipientAlt` (of what our own phone sent).
"""

import hashlib
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from google.protobuf.message import DecodeError

from whatsapp.engine import port
from whatsapp.engine.binding import INT_TO_EVENT
from whatsapp.engine.bounds import (
    MAX_DETAIL,
    MAX_EMOJI,
    MAX_ID,
    MAX_LID,
    MAX_NAME,
    MAX_PHONE,
    MAX_RECEIPTS,
    MAX_TEXT,
    clean,
)
from whatsapp.engine.device_store import message_name
from whatsapp.engine.ledger import Heard, Ignored
from whatsapp.engine.media import media_in

GROUP: Final = "g.us"
LID: Final = "lid"
PHONE: Final = "s.whatsapp.net"
BROADCAST: Final = "broadcast"
#: Whose chats are with a person: by number or by hidden identity. Channels and bots are neither.
_PERSONS: Final = {PHONE: PHONE, "c.us": PHONE, "hosted": PHONE, LID: LID, "hosted.lid": LID}
#: The chat in which everybody's status updates come.
_STATUS: Final = "status"

#: Stands for all of what a phone sends of its past.
HISTORY: Final = "history"

#: The last second of the year 9999.
_END_OF_TIME: Final = 253_402_300_799.0
_TEN_YEARS: Final = 10 * 365 * 24 * 3600.0

#: neonize's numbers for the events that we subscribe to.
PAIR_STATUS, CONNECTED, KEEPALIVE_TIMEOUT, KEEPALIVE_RESTORED = 2, 3, 4, 5
LOGGED_OUT, STREAM_REPLACED, TEMPORARY_BAN, CONNECT_FAILURE = 6, 7, 8, 9
CLIENT_OUTDATED, STREAM_ERROR, DISCONNECTED = 10, 11, 12
MESSAGE, RECEIPT, UNDECRYPTABLE = 17, 18, 44
CHAT_PRESENCE: Final = 19
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
    CHAT_PRESENCE,
)
#: True for a moment alone: told at once, and in no journal.
PASSING: Final = frozenset({CHAT_PRESENCE, KEEPALIVE_TIMEOUT, KEEPALIVE_RESTORED})
#: Those that say what was said or sent, and stay true after a restart; the rest is about a connection that is gone.
LASTING: Final = frozenset({MESSAGE, RECEIPT, UNDECRYPTABLE})

#: Those that came over the wire a moment ago, and prove that there is one.
PROOFS: Final = frozenset({CONNECTED, KEEPALIVE_RESTORED, MESSAGE, RECEIPT, UNDECRYPTABLE, CHAT_PRESENCE})

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
    "pollCreationMessageV2": "poll",
    "pollCreationMessageV3": "poll",
    "pollCreationMessageV5": "poll",
}
_REACTION: Final = "reactionMessage"
#: Not something a person said: keys, edits of older messages. Their own features handle them.
_NOT_SHOWN: Final = frozenset({"protocolMessage", "encReactionMessage", "pollUpdateMessage"})


def translate(code: int, payload: bytes) -> port.EngineEvent | None:
    """The event, or None when it says nothing to us. Raises protobuf's DecodeError on bytes that are not an event."""
    handler = _HANDLERS.get(code)
    return handler(INT_TO_EVENT[code].FromString(payload)) if handler else None


def _paired(raw: Any) -> port.EngineEvent | None:
    if raw.Status != raw.SUCCESS:
        return port.Ended(port.Ending.PAIRING_ERROR, detail=clean(raw.Error, MAX_DETAIL))
    return port.Paired(
        jid_text(raw.ID), platform=clean(raw.Platform, MAX_NAME), business_name=clean(raw.BusinessName, MAX_NAME)
    )


def _logged_out(raw: Any) -> port.EngineEvent:
    gone = raw.Reason == _MAIN_DEVICE_GONE
    return port.Ended(port.Ending.MAIN_DEVICE_GONE if gone else port.Ending.LOGGED_OUT)


def _banned(raw: Any) -> port.EngineEvent:
    seconds = min(max(float(raw.Expire), 0.0), _TEN_YEARS)
    return port.Ended(port.Ending.TEMPORARY_BAN, detail=str(raw.Code), until_seconds=seconds or None)


def _connect_failure(raw: Any) -> port.EngineEvent:
    if raw.Reason == _CLIENT_OUTDATED:
        return port.Ended(port.Ending.CLIENT_OUTDATED)
    return port.Ended(port.Ending.CONNECT_FAILURE, detail=f"{raw.Reason} {clean(raw.Message, MAX_DETAIL)}".strip())


def _message(raw: Any) -> port.EngineEvent | None:
    field = _content_field(raw.Message)
    where = _where(raw.Info.MessageSource, raw.Info.Pushname)
    if raw.Info.Category == "peer" or field is None or field in _NOT_SHOWN or raw.IsEdit or where is None:
        return None
    if field == _REACTION:
        return _reaction(raw, where)
    group, peer, sender = where
    return port.MessageReceived(
        wa_id=_id(raw.Info.ID, MAX_ID),
        at=_seconds(raw.Info.Timestamp / 1000),
        from_me=raw.Info.MessageSource.IsFromMe,
        group=group,
        peer=peer,
        sender=sender,
        kind=_KINDS.get(field, "other"),
        text=clean(_text(raw.Message, field), MAX_TEXT),
        media=media_in(raw, field),
    )


def _reaction(raw: Any, where: tuple[str, port.Person, port.Person]) -> port.EngineEvent | None:
    reaction = raw.Message.reactionMessage
    if not reaction.key.ID:
        return None
    group, peer, sender = where
    return port.ReactionReceived(
        wa_id=_id(reaction.key.ID, MAX_ID),
        at=_seconds(raw.Info.Timestamp / 1000),
        from_me=raw.Info.MessageSource.IsFromMe,
        group=group,
        peer=peer,
        sender=sender,
        emoji=clean(reaction.text, MAX_EMOJI),
    )


def _unreadable(raw: Any) -> port.EngineEvent | None:
    source = raw.Info.MessageSource
    where = _where(source, raw.Info.Pushname)
    if raw.Info.Category == "peer" or where is None:
        return None
    group, peer, sender = where
    return port.MessageUnreadable(
        _id(raw.Info.ID, MAX_ID),
        _seconds(raw.Info.Timestamp / 1000),
        group=group,
        peer=peer,
        sender=sender,
        from_me=source.IsFromMe,
    )


def heard(code: int, payload: bytes) -> Heard | None:
    """How the device store names the message that the event brought; None for other events, and for nonsense.

    A notice of history is named `HISTORY`: the store is about to fill with messages that are no events.
    """
    if code != MESSAGE:
        return None
    try:
        raw = INT_TO_EVENT[MESSAGE].FromString(payload)
    except DecodeError:
        return None
    if raw.Message.protocolMessage.HasField("historySyncNotification"):
        return Heard(HISTORY, 0.0)
    where = raw.Info.MessageSource
    name = message_name(jid_text(where.Chat, device=False), jid_text(where.Sender, device=False), raw.Info.ID)
    return Heard(name, _seconds(raw.Info.Timestamp / 1000))


#: Whoever chooses the message's id must not choose its sender too: nothing after the addresses has an "@".
_IGNORED: Final = re.compile(
    r"Ignoring message (\S{1,64}) from ([\w.:-]+@[a-z.]+)(?: in ([\w.:-]+@[a-z.]+))?: [^@]*\bold counter\b[^@]*"
)


def ignored(line: str) -> Ignored | None:
    """What a line of whatsmeow's log says of a message that came again (its `decryptMessages`)."""
    if (found := _IGNORED.fullmatch(line)) is None:
        return None
    wa_id, sender, chat = found.groups()
    return Ignored(wa_id, _without_device(chat or sender), _without_device(sender))


def _without_device(jid: str) -> str:
    user, _, server = jid.partition("@")
    return f"{user.partition(':')[0]}@{server}"


def lost(wa_id: str, chat: tuple[str, str], sender: tuple[str, str], *, from_me: bool) -> port.MessageLost | None:
    """A message of which only the device store's line is left; `chat` and `sender` each with their other address.

    None when it belongs to no chat. When it came is left to the caller.
    """
    (chat_jid, chat_alt), (sender_jid, sender_alt) = map(_parsed, chat), map(_parsed, sender)
    source = SimpleNamespace(
        Chat=chat_jid, Sender=sender_jid, SenderAlt=sender_alt, RecipientAlt=chat_alt, IsFromMe=from_me
    )
    if (where := _where(source, "")) is None:
        return None
    group, peer, author = where
    return port.MessageLost(_id(wa_id, MAX_ID), 0.0, 0.0, group, peer, author, from_me=from_me)


def _parsed(jid: str) -> SimpleNamespace:
    left, _, server = jid.partition("@")
    return SimpleNamespace(User=left.partition(":")[0], Server=server)


def _receipt(raw: Any) -> port.EngineEvent | None:
    own = raw.Type in _READ_BY_OURSELVES
    kind = port.ReceiptKind.READ if own else _RECEIPTS.get(raw.Type)
    where = _where(raw.MessageSource, "")
    if kind is None or where is None:
        return None
    group, peer, _ = where
    ids = tuple(_id(each, MAX_ID) for each in raw.MessageIDs[:MAX_RECEIPTS])
    return port.ReceiptReceived(ids, kind, at=_seconds(raw.Timestamp), group=group, peer=peer, from_me=own)


def _typing(raw: Any) -> port.EngineEvent | None:
    where = _where(raw.MessageSource, "")
    if where is None or raw.MessageSource.IsFromMe:
        return None
    group, peer, sender = where
    return port.TypingSeen(group, peer, sender, is_typing=raw.State == raw.COMPOSING)


def _where(source: Any, push_name: Any) -> tuple[str, port.Person, port.Person] | None:
    """(group, peer, sender) of a message or receipt; None when it belongs to no chat: a status, a channel, a bot."""
    sender = _person(source.Sender, source.SenderAlt, name=push_name)
    if source.Chat.Server == GROUP:
        return f"{_id(source.Chat.User, MAX_ID - len(GROUP) - 1)}@{GROUP}", port.Person(), sender
    peer = _peer(source, push_name, sender)
    return ("", peer, sender) if peer.pn or peer.lid else None


def _peer(source: Any, push_name: Any, sender: port.Person) -> port.Person:
    """The other one of a one-to-one chat; what a contact sends to many at once comes into their own chat."""
    if source.Chat.Server == BROADCAST and source.Chat.User != _STATUS and not source.IsFromMe:
        return sender
    if source.Chat.Server not in _PERSONS:
        return port.Person()
    if source.IsFromMe:
        return _person(source.Chat, source.RecipientAlt)
    return _person(source.Chat, source.SenderAlt, name=push_name)


def _person(jid: Any, alternative: Any, name: Any = "") -> port.Person:
    """One person out of the two addresses that WhatsApp gives, in whichever order they come."""
    known = {_PERSONS.get(each.Server): each.User for each in (alternative, jid) if each.User}
    return port.Person(
        pn=_id(known.get(PHONE, ""), MAX_PHONE), lid=_id(known.get(LID, ""), MAX_LID), name=clean(name, MAX_NAME)
    )


def _id(raw: Any, limit: int) -> str:
    """An id as it is; one that does not fit is told by its hash, so that two different ones stay two."""
    if isinstance(raw, str) and len(raw) <= limit and "\0" not in raw:
        return raw
    whole = raw if isinstance(raw, bytes) else raw.encode()
    return f"x{hashlib.sha256(whole).hexdigest()}"[:limit]


def _seconds(value: float) -> float:
    return min(max(float(value), 0.0), _END_OF_TIME)


def _content_field(message: Any) -> str | None:
    fields = (field.name for field, _ in message.ListFields())
    return next((name for name in fields if name not in _ENVELOPE), None)


def _text(message: Any, field: str) -> Any:
    content = getattr(message, field)
    if isinstance(content, str | bytes):
        return content
    if field == "documentWithCaptionMessage":
        content = content.message.documentMessage
    names = ("text", "caption", "displayName", "name")
    return next((value for name in names if (value := getattr(content, name, ""))), "")


def jid_text(jid: Any, *, device: bool = True) -> str:
    suffix = f":{jid.Device}" if device and jid.Device else ""
    return f"{jid.User}{suffix}@{jid.Server}"


_HANDLERS: Final[dict[int, Callable[[Any], port.EngineEvent | None]]] = {
    PAIR_STATUS: _paired,
    KEEPALIVE_TIMEOUT: lambda _: port.Doubtful(),
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
    CHAT_PRESENCE: _typing,
}
