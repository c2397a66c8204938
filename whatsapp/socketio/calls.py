"""The calls that are acknowledged: the seven of seed contract 2.3, and the event log. What each takes, does and
answers, over the services.

Every one is authorised anew: the caller is looked up for each call, and each service finds rows only with the right to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils import translation
from django.utils.translation import gettext
from rest_framework import serializers

from accounts.callers import Caller
from accounts.permissions import Permission
from tenants.context import run_in, run_in_public
from wharf.api import on_error
from wharf.errors import Kind, PermissionDenied, WharfError, sentence
from whatsapp import shapes
from whatsapp.api import serializers as s
from whatsapp.api.chats import MARKED, NOTHING_UNREAD, SENT
from whatsapp.api.events import in_log, look_up
from whatsapp.errors import ReadingDenied, SendingDenied
from whatsapp.listening import language_of
from whatsapp.models import Session
from whatsapp.services import access, chats, outbound, typing
from whatsapp.services.chats import ChatFilter
from whatsapp.services.media import media_of
from whatsapp.services.reactions import reactions_to

Answer = dict[str, Any]


class ChatsDenied(ReadingDenied):
    code = "chats_denied"
    text = sentence("You do not have the right to see chats")


class MessagesDenied(ReadingDenied):
    code = "messages_denied"
    text = sentence("You do not have the right to see messages")


class WritingDenied(SendingDenied):
    code = "writing_denied"
    text = sentence("You do not have the right to send messages")


class UnknownEvent(WharfError):
    code, kind = "unknown_event", Kind.INVALID
    text = sentence("There is no such event")


class TooManyCalls(WharfError):
    code, kind = "too_many_calls", Kind.TOO_MANY
    text = sentence("Too many requests, try again later")


# -- what comes in -------------------------------------------------------------------------------------------------
class OfSession(s.Input):
    sessionId = serializers.CharField(max_length=64)


class OfChat(OfSession):
    chatId = serializers.CharField(max_length=64)


class ChatList(OfSession, s.PageQuery):
    includeGroups = serializers.BooleanField(required=False, default=False)
    includeStatus = serializers.BooleanField(required=False, default=False)


class MessageList(OfChat, s.PageQuery):
    pass


class EventList(s.EventQuery):
    pass


class Typing(OfChat):
    isTyping = serializers.BooleanField()


class Text(OfChat, s.OutgoingText):
    pass


# -- what is done --------------------------------------------------------------------------------------------------
def join(caller: Caller, data: Answer) -> Answer:
    """May fail for who may see the session and not read it; nothing is heard before it has succeeded."""
    session = _session(caller, data, Permission.CHAT_READ, ReadingDenied)
    permissions = access.permissions_on(session.pk, caller.actor)
    row = _row(session, Permission.SESSION_LINK in permissions)
    return _done({"session": row, "permissions": _rights(caller, session)})


def leave(caller: Caller, data: Answer) -> Answer:
    return {"success": True}


def get_chats(caller: Caller, data: Answer) -> Answer:
    session = _session(caller, data, Permission.CHAT_READ, ChatsDenied)
    rows, page = chats.list_chats(
        session_id=session.pk,
        by=caller.actor,
        number=data["page"],
        limit=data["limit"],
        chat_filter=ChatFilter(include_groups=data["includeGroups"]),
    )
    listed = [shapes.chat(row, session.pk, caller.company.pk) | {"_count": {"messages": total}} for row, total in rows]
    return _done({"chats": listed, "pagination": page.shape})


def get_messages(caller: Caller, data: Answer) -> Answer:
    session = _session(caller, data, Permission.CHAT_READ, MessagesDenied)
    chat, rows, page = chats.list_messages(
        company=caller.company,
        session_id=session.pk,
        chat_id=data["chatId"],
        by=caller.actor,
        number=data["page"],
        limit=data["limit"],
    )
    company_id, own = caller.company.pk, chat.account.phone_number
    reactions = reactions_to(rows)
    listed = [
        shapes.message(row, session.pk, company_id, own, reactions.get(row.pk, []), media_of(row)) for row in rows
    ]
    shown = shapes.chat(chat, session.pk, company_id)
    return _done({"chat": shown, "messages": listed, "pagination": page.shape})


def get_events(caller: Caller, data: Answer) -> Answer:
    """What was missed (docs/events.md); it does not wait, for what happens is told anyway."""
    return _done(in_log(look_up(caller.actor, data), caller.company.pk))


def send_message(caller: Caller, data: Answer) -> Answer:
    session = _session(caller, data, Permission.CHAT_WRITE, WritingDenied)
    row = outbound.queue_text(
        company=caller.company, session_id=session.pk, chat_id=data["chatId"], text=data["message"], by=caller.actor
    )
    return _done({"id": row.pk, "chatId": row.chat_id, "status": row.status}, SENT)


def get_session_status(caller: Caller, data: Answer) -> Answer:
    session = _session(caller, data)
    may_link = Permission.SESSION_LINK in access.permissions_on(session.pk, caller.actor)
    row = _row(session, may_link)
    keys = ("id", "phoneNumber", "displayName", "isActive", "isConnected", "lastSeen", "qrCode")
    return _done({key: row[key] for key in keys})


def mark_chat_as_read(caller: Caller, data: Answer) -> Answer:
    session = _session(caller, data, Permission.CHAT_READ, MessagesDenied)
    marked, chat = chats.mark_read(
        company=caller.company, session_id=session.pk, chat_id=data["chatId"], by=caller.actor
    )
    counted = {"_count": {"messages": chat.messages.count()}}
    shown = shapes.chat(chat, session.pk, caller.company.pk) | counted
    return _done({"markedCount": marked, "chat": shown}, MARKED if marked else NOTHING_UNREAD)


def show_typing(caller: Caller, data: Answer) -> Answer:
    session = _session(caller, data, Permission.CHAT_WRITE, WritingDenied)
    typing.show(session_id=session.pk, chat_id=data["chatId"], is_typing=data["isTyping"], by=caller.actor)
    return {"success": True}


def _session(
    caller: Caller,
    data: Answer,
    needs: Permission = Permission.SESSION_VIEW,
    denied: type[PermissionDenied] = ReadingDenied,
) -> Session:
    """Who may not even see it is told that they have no access, others which right they lack."""
    session = access.find_session(data["sessionId"], by=caller.actor, denied=ReadingDenied)
    if needs != Permission.SESSION_VIEW:
        access.find_session(session.pk, by=caller.actor, needs=needs, denied=denied)
    return session


def _rights(caller: Caller, session: Session) -> Answer:
    held = access.permissions_on(session.pk, caller.actor)
    return {
        "canRead": Permission.CHAT_READ in held,
        "canWrite": Permission.CHAT_WRITE in held,
        "canManageChats": Permission.CHAT_MANAGE in held,
    }


def _row(session: Session, may_link: bool) -> Answer:
    return shapes.in_words(shapes.full_session(session, may_link=may_link))


def _done(data: Answer, message: str = "") -> Answer:
    return {"success": True, "data": data} | ({"message": gettext(message)} if message else {})


# -- how it is called ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Call:
    """`broken` is said when it fails for a reason of ours."""

    input: type[s.Input]
    run: Callable[[Caller, Answer], Answer]
    broken: str


JOIN: Final = "whatsapp:join_session"
LEAVE: Final = "whatsapp:leave_session"

CALLS: Final[Mapping[str, Call]] = {
    JOIN: Call(OfSession, join, sentence("Error joining the session")),
    LEAVE: Call(OfSession, leave, sentence("Error leaving the session")),
    "whatsapp:get_chats": Call(ChatList, get_chats, sentence("Error getting the chats")),
    "whatsapp:get_messages": Call(MessageList, get_messages, sentence("Error getting the messages")),
    "whatsapp:send_message": Call(Text, send_message, sentence("Error sending the message")),
    "whatsapp:get_session_status": Call(
        OfSession, get_session_status, sentence("Error getting the status of the session")
    ),
    "whatsapp:get_events": Call(EventList, get_events, sentence("Error getting the events")),
    "typing-status": Call(Typing, show_typing, sentence("Error telling who is writing")),
    "whatsapp:mark_chat_as_read": Call(OfChat, mark_chat_as_read, sentence("Error marking the messages as read")),
}


@dataclass(frozen=True)
class Outcome:
    """`answer` is the acknowledgement; `session_id` what was asked about, `error` what it failed with."""

    answer: Answer
    session_id: str = ""
    error: Exception | None = None


def perform(call: Call, payload: object, find_caller: Callable[[], Caller], accept_language: str) -> Outcome:
    """Answer a call, whatever it brings. Outside any company: it enters the caller's own."""
    caller: Caller | None = None
    try:
        caller = run_in_public(find_caller)
        with translation.override(language_of(caller, accept_language)):
            return _answered(call, payload, caller)
    except Exception as error:
        return Outcome(failed(error, language_of(caller, accept_language), call.broken), error=error)


def _answered(call: Call, payload: object, caller: Caller) -> Outcome:
    asked = call.input(data=payload if isinstance(payload, dict) else {})
    asked.is_valid(raise_exception=True)
    data = asked.validated_data
    return Outcome(run_in(caller.company, call.run, caller, data), data.get("sessionId", ""))


def failed(error: Exception, language: str, broken: str = "") -> Answer:
    """The same shape, codes and sentences as over REST; `broken` is what this call says for a fault of ours."""
    with translation.override(language):
        answer: Answer = dict(on_error(error).data)
        if answer["code"] == "internal_error" and broken:
            answer["message"] = gettext(broken)
    return answer
