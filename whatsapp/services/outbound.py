"""What people want sent: a row first, which leaves when the session is connected (`services.handing`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from accounts.models import User
from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from fleet import leases
from fleet.states import Wanted
from tenants.models import Company
from wharf.compiled import Compiled
from wharf.errors import WharfError
from wharf.sql import insert, together
from whatsapp import phones
from whatsapp.errors import (
    BadExpiry,
    BadPriority,
    BadSendTime,
    ChatNotFound,
    EmptyMessage,
    MessageNotFound,
    MessageTooLong,
    SendingDenied,
    SessionNotConnected,
)
from whatsapp.models import Account, Chat, Message, MessageStatus, Session
from whatsapp.services import inbound, news
from whatsapp.services.access import find_session
from whatsapp.services.contacts import Identity
from whatsapp.services.media import with_media
from whatsapp.services.places import Lookup, Sought

#: What one message may hold (seed row 73).
MAX_TEXT: Final = 4096
#: What is higher leaves first; a person's own texts have the one in the middle.
PRIORITIES: Final = (-100, 100)
#: So many texts in one request.
BATCH: Final = 100
#: So far ahead a text may be scheduled.
MAX_AHEAD: Final = timedelta(days=30)

_WRITER: Final = Compiled(lambda user: User.objects.filter(pk=user))


@dataclass(frozen=True)
class Delivery:
    """When a text may leave: `priority` within `PRIORITIES`, not before `send_at`, not after `expires_at`."""

    priority: int = 0
    send_at: datetime | None = None
    expires_at: datetime | None = None


AT_ONCE: Final = Delivery()


@dataclass(frozen=True)
class Text:
    """What is to be sent, to a chat, or else to a phone number as people write it."""

    body: str
    chat_id: str = ""
    phone: str = ""
    delivery: Delivery = AT_ONCE


# -- people --------------------------------------------------------------------------------------------------------
@news.writing
def queue_text(
    *,
    company: Company,
    session_id: str,
    text: str,
    by: Actor,
    chat_id: str = "",
    phone: str = "",
    delivery: Delivery = AT_ONCE,
) -> Message:
    """Queue one text (`queue_texts`). Raises also what that tells of a text: EmptyMessage, MessageTooLong,
    ChatNotFound, BadPhoneNumber, BadPriority, BadSendTime, BadExpiry."""
    texts = [Text(text, chat_id, phone, delivery)]
    (row,) = _queue(company, session_id, texts, by)
    if isinstance(row, WharfError):
        raise row
    return row


@news.writing
def queue_texts(
    *, company: Company, session_id: str, texts: Sequence[Text], by: Actor
) -> Sequence[Message | WharfError]:
    """Queue texts of one session; they leave when it is connected. Returns for each its row, or why there is none.

    Raises SendingDenied, and SessionNotConnected while no phone is linked: what cannot leave is not accepted.
    """
    return _queue(company, session_id, texts, by)


def _queue(company: Company, session_id: str, texts: Sequence[Text], by: Actor) -> Sequence[Message | WharfError]:
    session = find_session(session_id, by=by, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    drafts = [_draft(text) for text in texts]
    account = leave_work(session)
    chats = _chats(account, [draft for draft in drafts if isinstance(draft, Text)])
    writer = _WRITER.first(user=by.user_id) if by.user_id else None
    rows = [_row(draft, session, account, chats, writer) for draft in drafts]
    queued = [row for row in rows if isinstance(row, Message)]
    with together() as ask:
        insert(queued)
        if queued:
            ask(*audit.statement(Verb.MESSAGE_SENT, _target(session, queued), by=by, changes=_told(queued)))
    # What is to leave later is its chat's news only then.
    inbound.touch_chats({row.chat_id: row.chat for row in queued}.values(), [r for r in queued if r.send_at is None])
    inbound.tell_messages(company, session, account, queued)
    return rows


def _target(session: Session, queued: Sequence[Message]) -> audit.Target:
    """The chat; of several texts at once the session."""
    if len(queued) > 1:
        return audit.session(session.pk, session.label)
    return audit.chat(queued[0].chat_id, queued[0].chat.label, session.pk)


def _told(queued: Sequence[Message]) -> audit.Changes:
    """Which they are, and nothing of what they say: one row tells of all, for sending must stay cheap."""
    return {"messages": (None, [row.pk for row in queued])}


def _draft(text: Text) -> Text | WharfError:
    """The text as it will be sent, with the number's digits alone; or what is wrong with it."""
    try:
        _check_delivery(text.delivery)
        phone = "" if text.chat_id else phones.normalise(text.phone)
        return replace(text, body=_checked(text.body), phone=phone)
    except WharfError as error:
        return error


def _checked(text: str) -> str:
    # A browser's form ends its lines with CRLF; WhatsApp's own clients with LF.
    text = text.strip().replace("\r\n", "\n")
    if not text:
        raise EmptyMessage
    if len(text) > MAX_TEXT:
        raise MessageTooLong(limit=MAX_TEXT)
    return text


def _check_delivery(delivery: Delivery) -> None:
    if delivery == AT_ONCE:
        return
    now = timezone.now()
    if not PRIORITIES[0] <= delivery.priority <= PRIORITIES[1]:
        raise BadPriority(least=PRIORITIES[0], most=PRIORITIES[1])
    if delivery.send_at is not None and not now < delivery.send_at <= now + MAX_AHEAD:
        raise BadSendTime(days=MAX_AHEAD.days)
    if delivery.expires_at is not None and delivery.expires_at <= max(now, delivery.send_at or now):
        raise BadExpiry


def leave_work(session: Session) -> Account:
    """Tell the owner, at the commit, that something is to leave; the session's account, locked.

    Raises SessionNotConnected: what cannot leave is not accepted.
    """
    placement = session.placement
    if session.account_id is None or not placement.is_linked or placement.wanted != Wanted.RUNNING:
        raise SessionNotConnected
    with together() as ask:
        # The placement before the account, as the worker locks them, or both could wait for each other.
        leases.ask_to_leave_work(ask, session.pk)
        account = inbound.ask_for_account(ask, session.pk)
    if (found := inbound.answered_account(account)) is None:
        raise SessionNotConnected
    return found


def _chats(account: Account, texts: Iterable[Text]) -> dict[str, Chat]:
    """The chats that are named, by id, and those with the numbers that are, by number; these are made."""
    texts = list(texts)
    ids = {text.chat_id for text in texts} - {""}
    named = Chat.objects.select_related("contact").filter(account=account, pk__in=ids) if ids else ()
    numbers = {Identity(phone=text.phone) for text in texts if text.phone}
    if not numbers:
        return {chat.pk: chat for chat in named}
    with together() as ask:
        lookup = Lookup(ask, account, Sought(people=numbers, partners=numbers))
    places = lookup.settle()
    return {chat.pk: chat for chat in named} | {number.phone: places.chat(number) for number in numbers}


def _row(
    draft: Text | WharfError, session: Session, account: Account, chats: Mapping[str, Chat], writer: User | None
) -> Message | WharfError:
    if isinstance(draft, WharfError):
        return draft
    chat, delivery = chats.get(draft.chat_id or draft.phone), draft.delivery
    if chat is None:
        return ChatNotFound()
    return Message(
        account=account,
        chat=chat,
        session=session,
        from_me=True,
        sent_by=writer,
        body=draft.body,
        status=MessageStatus.QUEUED,
        is_read=True,
        priority=delivery.priority,
        send_at=delivery.send_at,
        expires_at=delivery.expires_at,
        timestamp=(delivery.send_at or timezone.now()).replace(microsecond=0),
    )


def find_message(message_id: str, *, session_id: str, by: Actor) -> Message:
    """A message of the session's account. Raises SessionNotFound, PermissionDenied, MessageNotFound."""
    session = find_session(session_id, by=by, needs=Permission.CHAT_READ)
    rows = with_media(Message.objects.select_related("sent_by", "sender", "account"))
    row = rows.filter(pk=message_id, account_id=session.account_id).first()
    if row is None:
        raise MessageNotFound
    return row
