"""Our news in the older system's events (seed contract 2.4), each told once to one connection.

What we publish says how things are now; those clients want to hear what changed. So a connection's `Teller` remembers
what it has told: the status of each session, the QR code on show, and the texts that WhatsApp does not have yet.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from django.utils import timezone

from fleet.states import State
from wharf.moments import moment
from whatsapp import qr, shapes
from whatsapp.models import MessageStatus

Shape = shapes.Shape
Event = tuple[str, Shape]
Events = Iterator[Event]

CONNECTED, QR_READY, DISCONNECTED = "connected", "qr_ready", "disconnected"

#: The same events under the hyphenated names of the older system's first documentation, when they are asked for.
ALIASES: Final = {
    "whatsapp:new_message": "new-message",
    "whatsapp:chat_updated": "chat-updated",
    "whatsapp:qr": "qr-updated",
    "whatsapp:ready": "session-connected",
    "whatsapp:disconnected": "session-disconnected",
}
_CHAT_KEYS: Final = (
    "id", "chatId", "chatName", "chatType", "isGroup", "lastMessageAt", "lastMessageText", "unreadCount",
)  # fmt: skip
_MESSAGE_KEYS: Final = (
    "id", "messageId", "fromMe", "fromNumber", "fromName", "body", "messageType", "timestamp",
)  # fmt: skip
_TYPING_KEYS: Final = ("sessionId", "chatId", "isTyping", "participantId", "timestamp")
#: How the older documentation calls what a receipt proves.
_RECEIPTS: Final = {
    MessageStatus.SERVER_ACK: "sent",
    MessageStatus.DELIVERED: "delivered",
    MessageStatus.READ: "read",
}
#: Texts that may be on their way at once; of more than these the oldest is forgotten, and its event not told.
MAX_UNSENT: Final = 1000


class Teller:
    """Of one connection. `joined`: sessions whose messages it wants; `linkable`: those whose QR codes it may see."""

    def __init__(self, *, aliases: bool) -> None:
        self.joined: set[str] = set()
        self.linkable: frozenset[str] = frozenset()
        self._aliases = aliases
        self._statuses: dict[str, str] = {}
        self._codes: dict[str, str] = {}
        self._unsent: OrderedDict[str, Shape] = OrderedDict()

    def knows(self, session: Shape) -> None:
        """How a session was before anything is told of it."""
        self._statuses[session["id"]] = _status_of(session, DISCONNECTED)

    def appeared(self, session: Shape, challenge: Shape | None) -> Events:
        """How a session is that nothing was known of; of others nothing."""
        if session["id"] not in self._statuses:
            yield from self._session(session)
            yield from self._challenge(challenge) if challenge else ()

    def forget(self, kept: set[str]) -> None:
        """Sessions that are out of sight are new when they come back."""
        self._statuses = {key: value for key, value in self._statuses.items() if key in kept}
        self._codes = {key: value for key, value in self._codes.items() if key in kept}

    def replay(self, session: Shape, challenge: Shape | None) -> Events:
        """How it is now, for who has just joined (seed row 94)."""
        self._statuses[session["id"]] = status = _status_of(session, DISCONNECTED)
        if status == CONNECTED:
            yield from self._named("whatsapp:ready", _ready(session))
        elif challenge and challenge["qr"]:
            self._codes[session["id"]] = challenge["qr"]
            yield from self._named("whatsapp:qr", _code(challenge))

    def tell(self, kind: str, payload: Shape) -> Events:
        """What the connection is to hear of one piece of news. Reasons are said in the active language."""
        match kind:
            case "session.changed":
                yield from self._session(payload)
            case "session.challenge":
                yield from self._challenge(payload)
            case "message.new" if payload["message"]["sessionId"] in self.joined:
                yield from self._message(payload["chat"], payload["message"])
            case "message.status" if payload["sessionId"] in self.joined:
                yield from self._message_status(payload)
            case "chat.typing" if payload["sessionId"] in self.joined:
                # Announced under this name alone.
                yield "typing-status", _only(payload, _TYPING_KEYS)
            case "chat.changed" if payload["sessionId"] in self.joined:
                yield from self._chat(payload, payload)

    def _named(self, event: str, content: Shape) -> Events:
        yield event, content
        if self._aliases and event in ALIASES:
            yield ALIASES[event], content

    # -- sessions ----------------------------------------------------------------------------------------------------
    def _session(self, session: Shape) -> Events:
        session_id = session["id"]
        before = self._statuses.get(session_id, DISCONNECTED)
        now = self._statuses[session_id] = _status_of(session, before)
        if now != QR_READY:
            self._codes.pop(session_id, None)
        if now == before:
            return
        if now == CONNECTED:
            yield from self._connected(session)
        elif now == DISCONNECTED:
            yield from self._disconnected(session)
        elif session_id not in self.linkable:
            # Who may link hears of it with the code.
            yield "whatsapp:session_status", {"sessionId": session_id, "status": QR_READY, "isConnected": False}

    def _connected(self, session: Shape) -> Events:
        ready = _ready(session)
        yield "whatsapp:session_status", ready | {"status": CONNECTED, "isConnected": True}
        if session["id"] in self.joined:
            yield from self._named("whatsapp:ready", ready)
            # The number that is linked now may be another one, with chats of its own.
            yield "whatsapp:chats_updated", {"sessionId": session["id"], "companyId": session["companyId"]}

    def _disconnected(self, session: Shape) -> Events:
        why = {"sessionId": session["id"], "reason": session["reason"] or session["state"]}
        text = shapes.in_words(session)["reasonText"]
        yield "whatsapp:session_status", why | {"status": DISCONNECTED, "isConnected": False, "reasonText": text}
        if session["id"] in self.joined:
            yield from self._named("whatsapp:disconnected", why | {"reasonText": text})
        if self._aliases and session["state"] == State.REFUSED:
            yield "session-error", _error(session["id"], why["reason"], text)

    def _challenge(self, challenge: Shape) -> Events:
        session_id = challenge["sessionId"]
        if not challenge["qr"] or challenge["qr"] == self._codes.get(session_id):
            return
        self._codes[session_id] = challenge["qr"]
        self._statuses[session_id] = QR_READY
        code = _code(challenge)
        yield "whatsapp:session_status", code | {"status": QR_READY, "isConnected": False}
        if session_id in self.joined:
            yield from self._named("whatsapp:qr", code)

    # -- messages ----------------------------------------------------------------------------------------------------
    def _message(self, chat: Shape, message: Shape) -> Events:
        if not message["fromMe"]:
            content = _of(message) | {
                "chat": _only(chat, _CHAT_KEYS),
                "message": _only(message, _MESSAGE_KEYS),
            }
            yield from self._named("whatsapp:new_message", content)
            if self._aliases:
                yield "whatsapp:message", content
        elif message["status"] in _RECEIPTS:
            yield "whatsapp:message_sent", _sent(message)
        else:
            self._remember(message)
        yield from self._chat(chat, _only(chat, _CHAT_KEYS))

    def _remember(self, message: Shape) -> None:
        self._unsent[message["id"]] = message
        if len(self._unsent) > MAX_UNSENT:
            self._unsent.popitem(last=False)

    def _message_status(self, news: Shape) -> Events:
        if news["status"] in _RECEIPTS and (message := self._unsent.pop(news["id"], None)):
            changes = {key: news[key] for key in ("messageId", "status", "errorCode")}
            yield "whatsapp:message_sent", _sent(message | changes)
        if self._aliases:
            yield from _receipt(news)

    def _chat(self, chat: Shape, shown: Shape) -> Events:
        yield from self._named("whatsapp:chat_updated", _of(chat) | {"chat": shown})

    # -- rights ------------------------------------------------------------------------------------------------------
    def rights(self, news: Shape, manager: Any) -> Events:
        """That access was given or taken; the second under its own name whether or not aliases are asked for."""
        if not news["sessionId"]:
            return
        rights = news["rights"]
        content = {
            "sessionId": news["sessionId"],
            "managerId": manager.pk,
            "managerName": manager.full_name,
            "permissions": [name.removeprefix("can_") for name, held in (rights or {}).items() if held],
            "timestamp": moment(timezone.now()),
        }
        if rights is None:
            yield "manager-access-revoked", content | {"revokedBy": news["byUserId"]}
        elif self._aliases:
            yield "manager-access-granted", content | {"grantedBy": news["byUserId"]}


def _status_of(session: Shape, before: str) -> str:
    match session["state"]:
        case State.CONNECTED:
            return CONNECTED
        case State.PAIRING:
            return QR_READY
        case State.CONNECTING if before == QR_READY:
            # The phone has just scanned it.
            return QR_READY
    return DISCONNECTED


def _ready(session: Shape) -> Shape:
    return {
        "sessionId": session["id"],
        "phoneNumber": session["phoneNumber"],
        "displayName": session["displayName"],
    }


def _code(challenge: Shape) -> Shape:
    return {
        "sessionId": challenge["sessionId"],
        "qrCode": qr.png_data_url(challenge["qr"]),
        "expiresAt": challenge["qrExpiresAt"],
    }


def _of(row: Shape) -> Shape:
    return {"sessionId": row["sessionId"], "companyId": row["companyId"]}


def _only(shape: Shape, keys: tuple[str, ...]) -> Shape:
    return {key: shape[key] for key in keys}


def _sent(message: Shape) -> Shape:
    row = {key: value for key, value in message.items() if key != "manager"}
    return {"sessionId": message["sessionId"], "chatId": message["chatId"], "message": row}


def _receipt(news: Shape) -> Events:
    session_id, message_id, now = news["sessionId"], news["messageId"], moment(timezone.now())
    if news["status"] in _RECEIPTS:
        status = _RECEIPTS[MessageStatus(news["status"])]
        yield (
            "message-status",
            {"sessionId": session_id, "messageId": message_id, "status": status, "id": news["id"], "timestamp": now},
        )
    elif news["status"] == MessageStatus.FAILED:
        yield "send-error", _error(session_id, news["errorCode"], "") | {"id": news["id"], "chatId": news["chatId"]}


def _error(session_id: str, kind: str, text: str) -> Shape:
    return {"sessionId": session_id, "errorType": kind, "message": text, "timestamp": moment(timezone.now())}
